use super::*;
use std::sync::Condvar;

/// Knows every name that begins with "a"; hangs on "hang…" until let go.
#[derive(Default)]
struct StandIn {
    calls: AtomicUsize,
    gate: (Mutex<bool>, Condvar),
}

impl StandIn {
    fn let_go(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }
}

impl Source for StandIn {
    fn user(&self, name: &str) -> Result<Option<NssEntry>, String> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if name.starts_with("hang") {
            let open = self.gate.0.lock().unwrap();
            drop(self.gate.1.wait_while(open, |open| !*open).unwrap());
        }
        if name == "broken" {
            return Err("EIO".to_owned());
        }
        assert_ne!(name, "panic", "as asked");
        Ok(name.starts_with('a').then(|| NssEntry {
            name: name.to_lowercase(),
            uid: 1000,
            gid: 1000,
            home: Outside::new("/home/a"),
            shell: Outside::new("/bin/sh"),
        }))
    }

    fn groups(&self, user: &NssEntry) -> Result<Vec<String>, String> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(vec![user.name.clone(), "staff".to_owned()])
    }
}

fn name(text: &str) -> UserName {
    UserName::new(&Outside::new(text.as_bytes())).unwrap()
}

fn nss(times: Times) -> (Arc<StandIn>, Arc<Nss>) {
    let source = Arc::new(StandIn::default());
    let nss = Nss {
        times,
        ..Nss::with_source(source.clone())
    };
    (source, Arc::new(nss))
}

const QUICK: Times = Times {
    deadline: Duration::from_millis(150),
    found: Duration::from_secs(4),
    unknown: Duration::from_secs(1),
};

#[tokio::test]
async fn r58_the_name_is_the_one_that_nss_returned() {
    let (_, nss) = nss(TIMES);
    let NssUser::Found(entry) = nss.user(&name("aLiCe")).await else {
        panic!("not found");
    };
    assert_eq!(entry.name, "alice");
    assert_eq!(
        *nss.groups(&entry).await.unwrap(),
        ["alice".to_owned(), "staff".to_owned()]
    );
}

#[tokio::test]
async fn answers_are_kept_for_their_time_and_troubles_are_not() {
    let (source, nss) = nss(Times {
        deadline: TIMES.deadline,
        ..QUICK
    });
    for _ in 0..3 {
        assert!(matches!(nss.user(&name("alice")).await, NssUser::Found(_)));
        assert_eq!(nss.user(&name("bob")).await, NssUser::Unknown);
    }
    assert_eq!(source.calls.load(Ordering::SeqCst), 2);
    for _ in 0..3 {
        assert_eq!(nss.user(&name("broken")).await, NssUser::Unreachable("EIO".to_owned()));
    }
    assert_eq!(source.calls.load(Ordering::SeqCst), 5);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    nss.user(&name("alice")).await;
    nss.user(&name("bob")).await;
    assert_eq!(
        source.calls.load(Ordering::SeqCst),
        6,
        "only the unknown one is asked for again"
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    nss.user(&name("alice")).await;
    assert_eq!(source.calls.load(Ordering::SeqCst), 7);
}

#[tokio::test]
async fn r90_calls_that_hang_hold_up_nobody_else_and_are_bounded() {
    let (source, nss) = nss(QUICK);
    let hang = |at: usize| {
        let nss = nss.clone();
        tokio::spawn(async move { nss.user(&name(&format!("hang{at}"))).await })
    };
    let hanging: Vec<_> = (0..RUNNING).map(hang).collect();
    for task in hanging {
        assert_eq!(
            task.await.unwrap(),
            NssUser::Unreachable("no answer within 0.15 s".to_owned())
        );
    }
    // All four are still stuck, and their places free.
    assert_eq!(nss.pool.stuck.load(Ordering::SeqCst), RUNNING);
    assert!(matches!(nss.user(&name("alice")).await, NssUser::Found(_)));
    // So it goes until there are too many of them; what is kept still answers.
    let hanging: Vec<_> = (0..MAX_STUCK + 10).map(|at| hang(100 + at)).collect();
    for task in hanging {
        assert!(matches!(task.await.unwrap(), NssUser::Unreachable(_)));
    }
    let calls = source.calls.load(Ordering::SeqCst);
    assert!(calls <= 1 + RUNNING + MAX_STUCK, "{calls} threads");
    assert!(matches!(nss.user(&name("alice")).await, NssUser::Found(_)));
    // Once they come back, so do all places.
    source.let_go();
    for _ in 0..100 {
        if nss.pool.running.available_permits() == RUNNING && nss.pool.stuck.load(Ordering::SeqCst) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        (
            nss.pool.running.available_permits(),
            nss.pool.stuck.load(Ordering::SeqCst)
        ),
        (RUNNING, 0)
    );
    assert!(matches!(nss.user(&name("abel")).await, NssUser::Found(_)));
}

#[tokio::test]
async fn r90_a_caller_who_leaves_and_a_call_that_panics_give_their_places_back() {
    let (source, nss) = nss(TIMES);
    for at in 0..RUNNING {
        let leaving = name(&format!("hang{at}"));
        let asked = tokio::time::timeout(Duration::from_millis(20), nss.user(&leaving)).await;
        assert!(asked.is_err());
    }
    assert!(matches!(nss.user(&name("alice")).await, NssUser::Found(_)));
    source.let_go();
    for _ in 0..2 * RUNNING {
        assert!(matches!(nss.user(&name("panic")).await, NssUser::Unreachable(_)));
    }
    assert!(matches!(nss.user(&name("abel")).await, NssUser::Found(_)));
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let (_, nss) = nss(TIMES);
    for at in 0..MAX_KEPT + 100 {
        keep(&nss.users, name(&format!("n{at}")), NssUser::Unknown, TIMES.unknown);
    }
    assert!(nss.users.lock().unwrap().len() <= MAX_KEPT);
}

#[tokio::test]
async fn the_systems_own_users_are_found() {
    let nss = Nss::new();
    let NssUser::Found(root) = nss.user(&name("root")).await else {
        panic!("no root here");
    };
    assert_eq!((root.name.as_str(), root.uid), ("root", 0));
    assert!(nss.groups(&root).await.unwrap().contains(&"root".to_owned()));
    assert_eq!(nss.user(&name("no-such-user-here")).await, NssUser::Unknown);
}
