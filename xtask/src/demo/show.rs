//! The demo for a person: everything runs, and what to type is printed.

use anyhow::Result;
use assent_tests::accounts;
use assent_tests::product::{self, Site};
use assent_tests::sshd::Sshd;
use assent_tests::sudoers;
use std::io::BufRead;

/// Opens the site, helps alice to enrol, and stays until the person has had enough.
pub fn site() -> Result<()> {
    let site = Site::open();
    let sshd = Sshd::builder().stack(&product::stack("sshd-assent-password")).start();
    sudoers::allow("alice");
    sudoers::stack(&product::stack("sudo"));
    let (port, ctl) = (sshd.port(), product::built().join("assentctl"));
    // Outside this world its files do not exist: the second terminal gets copies.
    let outside = product::built().join("../demo");
    std::fs::create_dir_all(&outside)?;
    let ca = outside.join("gateway-ca.pem");
    std::fs::copy(site.gateway.ca_certificate(), &ca)?;
    let keys = outside.join("alice");
    let _ = std::fs::remove_dir_all(&keys);
    println!(
        "Birch & Co is open: a directory, a gateway, an agent and an sshd on this machine's loopback.\n\n\
         1. In a second terminal, enrol alice's authenticator with the link that appears below:\n\n     \
         {ctl} authenticator enroll LINK --dir {keys} --ca-file {ca}\n\n   \
         and type the six digits that it shows into this terminal.\n",
        ctl = ctl.display(),
        keys = keys.display(),
        ca = ca.display(),
    );
    let mut enroll = std::process::Command::new(&ctl).args(["enroll", "alice"]).spawn()?;
    enroll.wait()?;
    println!(
        "\n2. In the second terminal, open the authenticator:\n\n     {ctl} authenticator listen --dir {keys} --ca-file {ca}\n\n\
         3. In a third one, log in as alice (password: {password}), and approve in the second:\n\n     \
         ssh -p {port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null alice@127.0.0.1\n\n   \
         There try:  sudo id\n\n\
         bob (password: {bob}) is in no policy. {local} is known to this host alone.\n\
         Enter ends the demo; nothing of it stays but {outside}.",
        ctl = ctl.display(),
        keys = keys.display(),
        ca = ca.display(),
        password = product::password("alice"),
        bob = product::password("bob"),
        local = accounts::LOCAL,
        outside = outside.display(),
    );
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    drop((sshd, site));
    Ok(())
}
