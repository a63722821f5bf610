//! Small parts that this program itself plays for the rigs' own tests, as a process of its own:
//! `system part NAME arguments…`.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, ExitCode};
use std::thread;

use assent_tests::namespace::{self, Network};
use assent_tests::program::Program;

/// The program that plays a part.
pub fn part(name: &str) -> Program {
    let this = std::env::current_exe().expect("the path of this program");
    Program::new(this).args(["part", name])
}

/// Plays the part that the command line names, if it names one.
pub fn play() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["part", "world", number] => world(number),
        ["part", "visitor", port] => visitor(port),
        ["part", "listener"] => listener(),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

/// A world inside the world: writes where it may, starts a child, and stays until it is killed.
fn world(number: &str) {
    namespace::enter().expect("root can enter");
    namespace::furnish(Network::Own).expect("root can furnish a world");
    for directory in ["/etc", "/var", "/home", "/root", "/tmp", "/run", "/dev"] {
        fs::write(format!("{directory}/made-inside"), "x").expect("the world is writable");
    }
    fs::write("/etc/passwd", "nobody is left\n").expect("the world is writable");
    let mut child = Command::new("sleep").arg(number).spawn().expect("a child inside");
    println!("inside");
    let _ = child.wait();
}

/// A world with the network of the one around it, as the demo has: connects to a port outside.
fn visitor(port: &str) {
    namespace::enter().expect("root can enter");
    namespace::furnish(Network::Shared).expect("root can furnish a world");
    let port: u16 = port.parse().expect("a port");
    std::net::TcpStream::connect(("127.0.0.1", port)).expect("the port outside answers");
}

/// What a service does with `LISTEN_FDS`: says what it was given and greets one client on each socket.
fn listener() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    assert_eq!(
        variable("LISTEN_PID"),
        std::process::id().to_string(),
        "the sockets are for another process"
    );
    println!("fds {} names {}", variable("LISTEN_FDS"), variable("LISTEN_FDNAMES"));
    let count: i32 = variable("LISTEN_FDS").parse().expect("a number");
    let greet = |number: i32| {
        // SAFETY: the caller passed this descriptor for us alone; that is what LISTEN_FDS means.
        let listener = unsafe { UnixListener::from_raw_fd(number) };
        let (mut client, _) = listener.accept().expect("a client");
        writeln!(client, "hello from descriptor {number}").expect("the client reads");
        let _ = client.read(&mut [0]);
    };
    let greeters: Vec<_> = (3..3 + count)
        .map(|number| thread::spawn(move || greet(number)))
        .collect();
    println!("listening");
    for greeter in greeters {
        greeter.join().expect("both were greeted");
    }
}
