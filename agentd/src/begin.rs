//! What a module sent at its `Begin`, as the facts of a login. Called by [`crate::login_task`] alone, once a login: here
//! the wire's types end.

use assent_engine::login::facts::{Facts, Phase, SshConnection};
use assent_proto::text::Outside;
use assent_proto::time::UnixTime;
use assent_proto::{Digest, Nonce, ShortText, sha256};
use assent_wire::Begin;

/// Binds an approval to this one connection of this one process: the random part exists nowhere else.
pub fn context(begin: &Begin, pid: i32) -> Result<Digest, ()> {
    let once = Nonce::random().map_err(|_| ())?;
    let phase = match begin.phase {
        assent_wire::Phase::Auth => [1],
        assent_wire::Phase::Account => [2],
    };
    let connection = begin.ssh_connection.as_deref().unwrap_or_default();
    Ok(sha256(&[
        &once.0,
        &pid.to_be_bytes(),
        &phase,
        sha256(&[&begin.service]).0.as_slice(),
        sha256(&[&begin.user]).0.as_slice(),
        sha256(&[connection]).0.as_slice(),
    ]))
}

/// The facts; the secrets of a `Begin`, if any, are not among them.
pub fn facts(mut begin: Begin, login: ShortText, ctx: Digest, ticket: bool) -> Facts {
    let mut take = |field: fn(&mut Begin) -> &mut Option<Vec<u8>>| field(&mut begin).take().map(Outside::new);
    let (ruser, rhost, tty) = (take(|b| &mut b.ruser), take(|b| &mut b.rhost), take(|b| &mut b.tty));
    let (connection, auth_info) = (take(|b| &mut b.ssh_connection), take(|b| &mut b.ssh_auth_info));
    let (cwd, sudo_command) = (take(|b| &mut b.cwd), take(|b| &mut b.sudo_command));
    let line = std::mem::take(&mut begin.command_line);
    let args_cut = begin.command_line_len > line.len() as u64;
    let args = line
        .strip_suffix(b"\0")
        .unwrap_or(&line)
        .split(|byte| *byte == 0)
        .map(Outside::new)
        .collect();
    Facts {
        login,
        ctx,
        at: UnixTime::now(),
        phase: match begin.phase {
            assent_wire::Phase::Auth => Phase::Auth,
            assent_wire::Phase::Account => Phase::Account,
        },
        service: Outside::new(std::mem::take(&mut begin.service)),
        user: Outside::new(std::mem::take(&mut begin.user)),
        ruser,
        login_uid: begin.login_uid,
        audit_session: begin.audit_session,
        rhost,
        tty,
        country: None,
        ssh: connection.as_ref().and_then(SshConnection::parse),
        over_ssh: connection.is_some(),
        ssh_auth_info: auth_info,
        args_sha256: sha256(&[&line]),
        args,
        args_cut,
        cwd,
        sudo_command,
        ticket,
    }
}
