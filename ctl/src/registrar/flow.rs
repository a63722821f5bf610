//! What the registrar's subcommands do: root key, request, signature, installation.

use super::{Grant, Init, Install, Link, Request, Sign, place};
use crate::failure::{Done, Failure, no_randomness};
use crate::files::{self, PUBLIC, SECRET};
use crate::report::report;
use crate::seconds::moment;
use crate::terminal;
use assent_proto::Id;
use assent_proto::cert::{Issuer, IssuerGrant, IssuerRequest, Trust};
use assent_proto::enrol::short_fingerprint;
use assent_proto::keys::SigningKey;
use assent_proto::roots::{Lineage, RootSet, sign_issuer_jointly};
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
    let waiting = place::waiting_key(state_dir, owner)?;
    let kept = args.root_pub.clone();
    let beside = args.root_key.with_extension("pub");
    let root = make_root(&args.root_key, kept.as_deref().unwrap_or(&beside))?;
    let document = IssuerRequest::sign(&waiting.keys, UnixTime::now()).map_err(broken)?;
    let request = IssuerRequest::verify(&document).map_err(broken)?;
    let certificate = granted(&[&root], &request, &args.grant)?;
    let roots = Lineage::new(RootSet::of_key(root.public()));
    let issuer = place::put(state_dir, &root.public(), &roots, &certificate, owner)?;
    let value = json!({
        "state_dir": state_dir,
        "root_key": args.root_key,
        "fingerprint": root.public().id().encode(),
        "issuer": issuer.claims().sign.id().encode(),
        "expires": issuer.claims().exp,
    });
    report(args.json, &value, || {
        format!(
            "Registrar ready in {}.\n  root         {}\n{}\nNow move {} away from this machine, to a medium that stays offline. You need it again before\n{}, to sign the next issuing key: assentctl registrar request, sign, install.",
            state_dir.display(),
            root.public().id(),
            described(&issuer),
            args.root_key.display(),
            moment(issuer.claims().exp)
        )
    });
    Ok(())
}

pub(super) fn request(args: &Request) -> Done {
    let owner = args.owner.owner()?;
    files::directory(&args.state_dir, STATE_DIR, owner)?;
    let place::Waiting { keys, new, file } = place::waiting_key(&args.state_dir, owner)?;
    let document = IssuerRequest::sign(&keys, UnixTime::now()).map_err(broken)?;
    files::replace(&args.out, &(document + "\n"), PUBLIC, None)?;
    let id = keys.sign.public().id();
    let value = json!({"request": args.out, "issuer": id.encode(), "new_key": new});
    report(args.json, &value, || {
        let made = if new { "made" } else { "found" };
        format!(
            "Issuing key {made}: {}.\n  fingerprint {id}\nRequest written to {}. Carry it to where the root key is:\n  assentctl registrar sign --root-key FILE --request FILE --out issuer.jws\nand compare the fingerprint there.",
            file.display(),
            args.out.display()
        )
    });
    Ok(())
}

pub(super) fn sign(args: &Sign) -> Done {
    let roots = args
        .root_key
        .iter()
        .map(|file| place::root_key(file))
        .collect::<Done<Vec<_>>>()?;
    let roots: Vec<&SigningKey> = roots.iter().collect();
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
    let certificate = granted(&roots, &request, &args.grant)?;
    let issuer = Trust::new(roots.iter().map(|root| root.public()).collect())
        .verify_issuer(&certificate, UnixTime::now())
        .map_err(broken)?;
    let signers: Vec<String> = roots.iter().map(|root| root.public().id().encode()).collect();
    let summary = format!("  root         {}\n{}", signers.join(", "), described(&issuer));
    if !args.yes {
        eprintln!("To be signed:\n{summary}");
        if !terminal::confirm("Sign it with the root key? [y/N] ")? {
            return Err(Failure::Refused("not signed, nothing was written".into()));
        }
    }
    files::create(&args.out, &(certificate + "\n"), PUBLIC, None)?;
    let value = json!({"certificate": args.out, "issuer": issuer.claims().sign.id().encode(), "roots": signers, "expires": issuer.claims().exp});
    report(args.json, &value, || {
        format!(
            "Signed:\n{summary}\nCertificate written to {}. Carry it, and the root's public key, to the gateway:\n  assentctl registrar install --state-dir DIR --root-pub FILE --certificate FILE",
            args.out.display()
        )
    });
    Ok(())
}

fn granted(roots: &[&SigningKey], request: &IssuerRequest, grant: &Grant) -> Done<String> {
    let grant = IssuerGrant {
        realms: grant.realms()?,
        hosts: grant.hosts()?,
        nbf: UnixTime::now(),
        days: grant.days,
        serial: Id::random().map_err(no_randomness)?,
    };
    sign_issuer_jointly(roots, request, grant).map_err(broken)
}

pub(super) fn install(args: &Install) -> Done {
    let owner = args.owner.owner()?;
    let installed = args.state_dir.join("root.pub");
    let root_file = args.root_pub.as_ref().unwrap_or(&installed);
    let root = place::public(root_file)?;
    if files::exists(&installed) {
        let before = place::public(&installed)?;
        if before != root {
            return Err(Failure::Refused(format!(
                "{} is another root ({}); hosts and devices that joined under it would not believe this one. To change it, make a step that it signs: assentctl registrar root step",
                installed.display(),
                short_fingerprint(&before)
            )));
        }
    }
    let roots = place::lineage(&args.state_dir, &root)?;
    let certificate = files::read_public(&args.certificate)?;
    let first = !place::has_certificate(&args.state_dir);
    let issuer = place::put(&args.state_dir, &root, &roots, certificate.trim(), owner)?;
    let value = json!({"state_dir": args.state_dir, "root": root.id().encode(), "issuer": issuer.claims().sign.id().encode(), "expires": issuer.claims().exp});
    report(args.json, &value, || {
        let next = match first {
            true => "Start the gateway: systemctl enable --now assent-gateway",
            false => {
                "Now: systemctl reload assent-gateway\nFrom then on this key signs. The one before it opens calls, and what it has signed holds, until its end; hosts and\ndevices follow by themselves, and no file is to be carried to them."
            }
        };
        format!(
            "Installed in {}.\n  root         {}\n{}\n{next}",
            args.state_dir.display(),
            root.id(),
            described(&issuer),
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

pub(super) fn described(issuer: &Issuer) -> String {
    let claims = issuer.claims();
    let list = |patterns: &[assent_proto::ShortText]| {
        patterns
            .iter()
            .map(|p| visible(p.as_str()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!(
        "  issuing key  {}\n  valid        {} to {}\n  realms       {}\n  hosts        {}",
        claims.sign.id(),
        moment(claims.nbf),
        moment(claims.exp),
        list(&claims.realms),
        list(&claims.hosts)
    )
}

pub(super) fn broken(error: impl Display) -> Failure {
    Failure::Refused(format!("a document could not be made: {error}"))
}
