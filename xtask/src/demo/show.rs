//! The demo for a person: everything runs, and what to type is printed.

use super::outside::Outside;
use anyhow::Result;
use assent_tests::accounts;
use assent_tests::product::{self, Site};
use assent_tests::sshd::Sshd;
use assent_tests::sudoers;
use std::io::BufRead;

/// Opens the site and stays until the person has had enough.
pub fn site(outside: &Outside) -> Result<()> {
    let site = Site::open_for_browsers();
    let sshd = Sshd::builder().stack(&product::stack("sshd-assent-password")).start();
    sudoers::allow("alice");
    sudoers::stack(&product::stack("sudo"));
    let (port, ctl) = (sshd.port(), product::built().join("assentctl"));
    let url = site.gateway.url();
    let password = product::password("alice");
    println!(
        "Birch & Co is open: a directory, a gateway with a Register Panel, an agent and an sshd on this machine's loopback.\n\n\
         1. In a browser on this machine, sign in as alice (password: {password}) and add a device:\n\n     {url}/panel/\n\n   \
         Open the link beside the code in a second window: that window is the phone. Type its six digits into the first.\n   \
         From elsewhere: ssh -L {gateway}:127.0.0.1:{gateway} THIS-MACHINE, then the same address.\n\n\
         2. In another terminal, log in as alice, and approve on the \"phone\":\n\n     \
         ssh -p {port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null alice@127.0.0.1\n\n   \
         There try:  sudo id\n\n\
         No browser? Add the device in a terminal instead, with the link from the panel or from `enroll` here:\n\n     \
         {ctl} authenticator enroll LINK --dir {keys}\n     {ctl} authenticator listen --dir {keys}\n\n\
         bob (password: {bob}) is in no policy. {local} is known to this host alone.\n\
         `enroll` and Enter makes a link without the panel; Enter alone ends the demo, and nothing of it stays.",
        gateway = url.rsplit(':').next().unwrap_or_default(),
        ctl = ctl.display(),
        keys = outside.shown().join("alice").display(),
        bob = product::password("bob"),
        local = accounts::LOCAL,
    );
    let mut line = String::new();
    while std::io::stdin().lock().read_line(&mut line)? > 0 && !line.trim().is_empty() {
        if line.trim() == "enroll" {
            std::process::Command::new(&ctl)
                .args(["enroll", "alice"])
                .spawn()?
                .wait()?;
        } else {
            println!("`enroll`, or Enter to end.");
        }
        line.clear();
    }
    drop((sshd, site));
    Ok(())
}
