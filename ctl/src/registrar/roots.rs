//! Steps of the roots, and further signatures: made where the root keys are, carried to the gateway, and followed by hosts
//! and devices that verify them under what they have pinned.

use super::flow::broken;
use super::{Cosign, InstallStep, Step, place};
use crate::failure::{Done, Failure};
use crate::files::{self, PUBLIC};
use crate::report::report;
use crate::seconds::moment;
use crate::terminal;
use assent_proto::cert::Trust;
use assent_proto::enrol::short_fingerprint;
use assent_proto::keys::{KeyId, SigningKey, VerifyingKey};
use assent_proto::roots::{self, Lineage, RootClaims, RootSet, Unsigned};
use assent_proto::text::visible;
use assent_proto::time::UnixTime;
use serde_json::json;

pub(super) fn step(args: &Step) -> Done {
    let first = place::public(&args.root_pub)?;
    let known = match &args.roots {
        Some(file) => place::walk(&first, file)?,
        None => Lineage::new(RootSet::of_key(first)),
    };
    let old = known.current();
    let new: Vec<VerifyingKey> = args
        .new_root
        .iter()
        .map(|file| place::public(file))
        .collect::<Done<_>>()?;
    let keys: Vec<SigningKey> = args
        .sign_with
        .iter()
        .map(|file| place::root_key(file))
        .collect::<Done<_>>()?;
    refuse_if_there(&args.out)?;
    let claims = RootClaims::after(old.version(), new.clone(), args.threshold, UnixTime::now())
        .map_err(|e| Failure::Input(e.to_string()))?;
    let summary = described(&claims);
    if !args.yes {
        eprintln!("The step from version {} to:\n{summary}", old.version());
        if !terminal::confirm("Sign it? [y/N] ")? {
            return Err(Failure::Refused("not signed, nothing was written".into()));
        }
    }
    let signers: Vec<&SigningKey> = keys.iter().collect();
    let document = claims.sign(&signers).map_err(broken)?;
    files::create(&args.out, &format!("{document}\n"), PUBLIC, None)?;
    let missing = missing(
        old,
        &claims,
        &keys.iter().map(|key| key.public().id()).collect::<Vec<_>>(),
    );
    let value = json!({"step": args.out, "version": claims.version, "complete": missing.is_none(), "missing": missing});
    report(args.json, &value, || {
        let next = match &missing {
            None => "It is complete. Carry it to the gateway:\n  assentctl registrar root install --state-dir DIR --step FILE\nbut first have the issuing key's certificate signed by the new roots as well (`assentctl registrar cosign`, `install`).".to_owned(),
            Some(missing) => format!("It needs more signatures: {missing}. Where those keys are:\n  assentctl registrar cosign --root-key FILE --document {} --out FILE", args.out.display()),
        };
        format!("Step written to {}.\n{summary}\n{next}", args.out.display())
    });
    Ok(())
}

/// Which signatures are missing, in words.
fn missing(old: &RootSet, new: &RootClaims, signers: &[KeyId]) -> Option<String> {
    let lacking = |keys: &[VerifyingKey], threshold: u8| {
        let found = keys.iter().filter(|key| signers.contains(&key.id())).count();
        usize::from(threshold).saturating_sub(found)
    };
    let lacks = [
        (lacking(old.keys(), old.threshold()), "old"),
        (lacking(&new.roots, new.threshold), "new"),
    ];
    let words: Vec<String> = lacks
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, which)| format!("{count} of the {which} roots"))
        .collect();
    (!words.is_empty()).then(|| words.join(" and "))
}

pub(super) fn cosign(args: &Cosign) -> Done {
    let root = place::root_key(&args.root_key)?;
    let document = files::read_public(&args.document)?;
    let refused = |e: assent_proto::JwsError| {
        Failure::Refused(format!(
            "{} cannot be signed: {e}. A root signs an issuing key's certificate or a step of the roots, once",
            args.document.display()
        ))
    };
    let (content, signers) = roots::to_cosign(document.trim()).map_err(refused)?;
    refuse_if_there(&args.out)?;
    let summary = match &content {
        Unsigned::Roots(claims) => described(claims),
        Unsigned::Issuer(claims) => {
            let list = |patterns: &[assent_proto::ShortText]| {
                let shown: Vec<String> = patterns.iter().map(|pattern| visible(pattern.as_str())).collect();
                shown.join(", ")
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
    };
    let by: Vec<String> = signers.iter().map(|signer| signer.encode()).collect();
    if !args.yes {
        eprintln!(
            "To be signed by {} too:\n{summary}\n  signed by    {}",
            root.public().id(),
            by.join(", ")
        );
        if !terminal::confirm("Sign it? [y/N] ")? {
            return Err(Failure::Refused("not signed, nothing was written".into()));
        }
    }
    let more = roots::cosign(document.trim(), &root).map_err(refused)?;
    files::create(&args.out, &format!("{more}\n"), PUBLIC, None)?;
    let value = json!({"document": args.out, "signatures": signers.len() + 1});
    report(args.json, &value, || {
        format!(
            "Signed:\n{summary}\n{} signatures, in {}.",
            signers.len() + 1,
            args.out.display()
        )
    });
    Ok(())
}

pub(super) fn install(args: &InstallStep) -> Done {
    let owner = args.owner.owner()?;
    let first = place::public(&args.state_dir.join("root.pub"))?;
    let mut known = place::lineage(&args.state_dir, &first)?;
    let document = files::read_public(&args.step)?;
    known.take(document.trim()).map_err(|e| {
        Failure::Refused(format!(
            "{} is no step from version {} of the roots: {e}. Nothing was installed",
            args.step.display(),
            known.current().version()
        ))
    })?;
    // Hosts and devices that have followed believe nothing else.
    let trust = Trust::of(vec![known.current().clone()]);
    let certificates = place::certificates(&args.state_dir)?;
    let believed = certificates
        .iter()
        .any(|certificate| trust.verify_issuer(certificate, UnixTime::now()).is_ok());
    if !believed {
        return Err(Failure::Refused(
            "the new roots have signed no issuing key that is installed here, so whoever follows would believe nothing of this registrar. First: assentctl registrar cosign (with each new root that must sign) and install. Nothing was installed"
                .into(),
        ));
    }
    let lines: String = known.steps().iter().flat_map(|step| [step.as_str(), "\n"]).collect();
    files::replace(&args.state_dir.join(place::ROOTS), &lines, PUBLIC, owner)?;
    let set = known.current();
    let value = json!({"version": set.version(), "threshold": set.threshold(), "fingerprint": set.fingerprint()});
    report(args.json, &value, || {
        format!(
            "Version {} of the roots is installed ({} of {} must sign).\nNow: systemctl reload assent-gateway\nHosts and devices follow by themselves within hours. Keep the old root until all have: who has not believes it still.",
            set.version(),
            set.threshold(),
            set.keys().len()
        )
    });
    Ok(())
}

fn refuse_if_there(out: &std::path::Path) -> Done {
    if files::exists(out) {
        return Err(Failure::Refused(format!(
            "{} exists already and is not overwritten",
            out.display()
        )));
    }
    Ok(())
}

fn described(claims: &RootClaims) -> String {
    let roots: Vec<String> = claims
        .roots
        .iter()
        .map(|root| format!("  root         {}", short_fingerprint(root)))
        .collect();
    format!(
        "  version      {}\n{}\n  must sign    {} of {}",
        claims.version,
        roots.join("\n"),
        claims.threshold,
        claims.roots.len()
    )
}
