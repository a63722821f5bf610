//! What the registrar's subcommands do: root key, request, signature, installation.

use super::{Grant, Init, Install, Link, Request, Sign};
use crate::failure::{Done, Failure, no_randomness};
use crate::files::{self, Owner, PUBLIC, SECRET};
use crate::report::report;
use crate::seconds::moment;
use crate::terminal;
use assent_proto::Id;
use assent_proto::cert::{Issuer, IssuerGrant, IssuerRequest, Trust, sign_issuer};
use assent_proto::enrol::short_fingerprint;
use assent_proto::keys::{KeyPair, SigningKey, VerifyingKey};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use serde_json::json;
use std::fmt::Display;
use std::path::Path;

/// Mode of a state directory that we make.
const STATE_DIR: u32 = 0o700;

pub(super) fn init(args: &Init) -> Done {
    match &args.state_dir {
        Some(state_dir) if args.all_in_one => all_in_one(args, state_dir),
        _ => {
            let root_pub = args
                .root_pub
                .as_deref()
                .ok_or_else(|| Failure::Input("--root-pub is missing".into()))?;
            let root = make_root(&args.root_key, root_pub)?.public();
            let value = json!({"root_key": args.root_key, "root_pub": root_pub, "fingerprint": root.id().encode()});
            report(args.json, &value, || {
                format!(
                    "Root key made.\n  private  {} (whoever has it can approve anything: keep it off the network)\n  public   {}\n  fingerprint {}\nNext, on the gateway: assentctl registrar request --state-dir DIR --out request.jws",
                    args.root_key.display(),
                    root_pub.display(),
                    root.id()
                )
            });
            Ok(())
        }
    }
}

fn make_root(key_file: &Path, pub_file: &Path) -> Done<SigningKey> {
    for file in [key_file, pub_file] {
        if files::exists(file) {
            return Err(Failure::Refused(format!(
                "{} exists already; a root key is never overwritten. Nothing was made",
                file.display()
            )));
        }
    }
    let root = SigningKey::generate().map_err(no_randomness)?;
    files::create(key_file, &root.to_pem().map_err(broken)?, SECRET, None)?;
    files::create(pub_file, &root.public().to_pem().map_err(broken)?, PUBLIC, None)?;
    Ok(root)
}

fn all_in_one(args: &Init, state_dir: &Path) -> Done {
    let owner = args.owner.owner()?;
    for name in ["issuer.jws", "root.pub"] {
        let file = state_dir.join(name);
        if files::exists(&file) {
            return Err(Failure::Refused(format!(
                "{} exists already: this gateway has a registrar. Nothing was made",
                file.display()
            )));
        }
    }
    files::directory(state_dir, STATE_DIR, owner)?;
    let keys = issuer_keys(state_dir, owner)?.0;
    let kept = args.root_pub.clone();
    let beside = args.root_key.with_extension("pub");
    let root = make_root(&args.root_key, kept.as_deref().unwrap_or(&beside))?;
    let document = IssuerRequest::sign(&keys, UnixTime::now()).map_err(broken)?;
    let request = IssuerRequest::verify(&document).map_err(broken)?;
    let certificate = granted(&root, &request, &args.grant)?;
    let issuer = put_in_place(state_dir, &root.public(), &certificate, &keys, owner)?;
    let value = json!({
        "state_dir": state_dir,
        "root_key": args.root_key,
        "fingerprint": root.public().id().encode(),
        "issuer": issuer.claims().sign.id().encode(),
        "expires": issuer.claims().exp,
    });
    report(args.json, &value, || {
        format!(
            "Registrar ready in {}.\n{}\nNow move {} away from this machine, to a medium that stays offline. You need it again before\n{}, to sign the next issuing key: assentctl registrar request, sign, install.",
            state_dir.display(),
            described(&issuer, &root.public()),
            args.root_key.display(),
            moment(issuer.claims().exp)
        )
    });
    Ok(())
}

pub(super) fn request(args: &Request) -> Done {
    let owner = args.owner.owner()?;
    files::directory(&args.state_dir, STATE_DIR, owner)?;
    let (keys, new) = issuer_keys(&args.state_dir, owner)?;
    let document = IssuerRequest::sign(&keys, UnixTime::now()).map_err(broken)?;
    files::replace(&args.out, &(document + "\n"), PUBLIC, None)?;
    let id = keys.sign.public().id();
    let value = json!({"request": args.out, "issuer": id.encode(), "new_key": new});
    report(args.json, &value, || {
        let made = if new { "made" } else { "found" };
        format!(
            "Issuing key {made} in {}.\n  fingerprint {id}\nRequest written to {}. Carry it to where the root key is:\n  assentctl registrar sign --root-key FILE --request FILE --out issuer.jws\nand compare the fingerprint there.",
            args.state_dir.display(),
            args.out.display()
        )
    });
    Ok(())
}

fn issuer_keys(state_dir: &Path, owner: Option<Owner>) -> Done<(KeyPair, bool)> {
    let file = state_dir.join("issuer.key");
    if files::exists(&file) {
        let text = files::read_secret(&file)?;
        let keys = KeyPair::from_file(&text).map_err(|e| Failure::Input(format!("{}: {e}", file.display())))?;
        return Ok((keys, false));
    }
    let keys = KeyPair::generate().map_err(no_randomness)?;
    files::create(&file, &keys.to_file().map_err(broken)?, SECRET, owner)?;
    Ok((keys, true))
}

pub(super) fn sign(args: &Sign) -> Done {
    let pem = files::read_secret(&args.root_key)?;
    let root = SigningKey::from_pem(&pem).map_err(|e| Failure::Input(format!("{}: {e}", args.root_key.display())))?;
    let document = files::read_public(&args.request)?;
    let request = IssuerRequest::verify(document.trim()).map_err(|e| {
        Failure::Refused(format!(
            "{} is no request of an issuing key: {e}",
            args.request.display()
        ))
    })?;
    if files::exists(&args.out) {
        return Err(Failure::Refused(format!(
            "{} exists already and is not overwritten",
            args.out.display()
        )));
    }
    let certificate = granted(&root, &request, &args.grant)?;
    let issuer = Trust::new(vec![root.public()])
        .verify_issuer(&certificate, UnixTime::now())
        .map_err(broken)?;
    let summary = described(&issuer, &root.public());
    if !args.yes {
        eprintln!("To be signed:\n{summary}");
        if !terminal::confirm("Sign it with the root key? [y/N] ")? {
            return Err(Failure::Refused("not signed, nothing was written".into()));
        }
    }
    files::create(&args.out, &(certificate + "\n"), PUBLIC, None)?;
    let value = json!({"certificate": args.out, "issuer": issuer.claims().sign.id().encode(), "root": root.public().id().encode(), "expires": issuer.claims().exp});
    report(args.json, &value, || {
        format!(
            "Signed:\n{summary}\nCertificate written to {}. Carry it, and the root's public key, to the gateway:\n  assentctl registrar install --state-dir DIR --root-pub FILE --certificate FILE",
            args.out.display()
        )
    });
    Ok(())
}

fn granted(root: &SigningKey, request: &IssuerRequest, grant: &Grant) -> Done<String> {
    let grant = IssuerGrant {
        realms: grant.realms()?,
        hosts: grant.hosts()?,
        nbf: UnixTime::now(),
        days: grant.days,
        serial: Id::random().map_err(no_randomness)?,
    };
    sign_issuer(root, request, grant).map_err(broken)
}

pub(super) fn install(args: &Install) -> Done {
    let owner = args.owner.owner()?;
    let pem = files::read_public(&args.root_pub)?;
    let root = VerifyingKey::from_pem(&pem).map_err(|e| Failure::Input(format!("{}: {e}", args.root_pub.display())))?;
    let key_file = args.state_dir.join("issuer.key");
    if !files::exists(&key_file) {
        return Err(Failure::Input(format!(
            "{} does not exist; begin with `assentctl registrar request --state-dir {}`",
            key_file.display(),
            args.state_dir.display()
        )));
    }
    let keys = issuer_keys(&args.state_dir, owner)?.0;
    let certificate = files::read_public(&args.certificate)?;
    let installed = args.state_dir.join("root.pub");
    if files::exists(&installed) {
        let before = VerifyingKey::from_pem(&files::read_public(&installed)?)
            .map_err(|e| Failure::Input(format!("{}: {e}", installed.display())))?;
        if before != root {
            return Err(Failure::Refused(format!(
                "{} is another root ({}); hosts and devices that joined under it would not believe this one. Move it away first if you mean it",
                installed.display(),
                short_fingerprint(&before)
            )));
        }
    }
    let issuer = put_in_place(&args.state_dir, &root, certificate.trim(), &keys, owner)?;
    let value = json!({"state_dir": args.state_dir, "root": root.id().encode(), "issuer": issuer.claims().sign.id().encode(), "expires": issuer.claims().exp});
    report(args.json, &value, || {
        format!(
            "Installed in {}.\n{}\nStart the gateway, or let it read its keys anew by a restart.",
            args.state_dir.display(),
            described(&issuer, &root)
        )
    });
    Ok(())
}

pub(super) fn link(args: &Link) -> Done {
    let owner = args.owner.owner()?;
    files::directory(&args.state_dir, STATE_DIR, owner)?;
    let file = args.state_dir.join("link.key");
    let new = !files::exists(&file);
    let key = if new {
        let key = SigningKey::generate().map_err(no_randomness)?;
        files::create(&file, &key.to_pem().map_err(broken)?, SECRET, owner)?;
        key
    } else {
        SigningKey::from_pem(&files::read_secret(&file)?)
            .map_err(|e| Failure::Input(format!("{}: {e}", file.display())))?
    };
    let public = key.public();
    let pem = public.to_pem().map_err(broken)?;
    if let Some(out) = &args.out {
        files::replace(out, &pem, PUBLIC, None)?;
    }
    let value =
        json!({"key": file, "new_key": new, "public": pem, "out": args.out, "fingerprint": public.id().encode()});
    report(args.json, &value, || match &args.out {
        None => pem.trim_end().to_owned(),
        Some(out) => format!(
            "Link key {} in {}.\n  fingerprint {}\nPublic key written to {}. Carry it to the relay's machine, and name it there as registrar_key under [link].",
            if new { "made" } else { "found" },
            file.display(),
            public.id(),
            out.display()
        ),
    });
    Ok(())
}

fn put_in_place(
    state_dir: &Path,
    root: &VerifyingKey,
    certificate: &str,
    keys: &KeyPair,
    owner: Option<Owner>,
) -> Done<Issuer> {
    let issuer = Trust::new(vec![root.clone()])
        .verify_issuer(certificate, UnixTime::now())
        .map_err(|e| {
            Failure::Refused(format!(
                "the certificate is not valid under this root: {e}. Nothing was installed"
            ))
        })?;
    if issuer.claims().sign != keys.sign.public() || issuer.claims().kem != keys.kem.public() {
        return Err(Failure::Refused(format!(
            "the certificate is for another issuing key than {}; nothing was installed. Make a new request and have it signed",
            state_dir.join("issuer.key").display()
        )));
    }
    files::replace(
        &state_dir.join("root.pub"),
        &root.to_pem().map_err(broken)?,
        PUBLIC,
        owner,
    )?;
    files::replace(
        &state_dir.join("issuer.jws"),
        &format!("{certificate}\n"),
        PUBLIC,
        owner,
    )?;
    Ok(issuer)
}

fn described(issuer: &Issuer, root: &VerifyingKey) -> String {
    let claims = issuer.claims();
    let list = |patterns: &[assent_proto::ShortText]| {
        patterns
            .iter()
            .map(|p| visible(p.as_str()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!(
        "  root         {}\n  issuing key  {}\n  valid        {} to {}\n  realms       {}\n  hosts        {}",
        root.id(),
        claims.sign.id(),
        moment(claims.nbf),
        moment(claims.exp),
        list(&claims.realms),
        list(&claims.hosts)
    )
}

fn broken(error: impl Display) -> Failure {
    Failure::Refused(format!("a document could not be made: {error}"))
}
