//! What arrives becomes a context only after every identity that is there holds and agrees.

use std::{sync::Arc, time::Duration};

use tenantkit_core::{
    Asserts, AuditAction, Claim, Door, Identity, IdentitySource, Inbound, Incarnation, Peer,
    Presented, Reason, RefusalCode, RoutingEpoch, Source, TenantStatus, Text, UnixTime,
};

use crate::world::{LIFE, START, Says, World, id, identity, map, subject};

const OTHER: Source = Source::Custom("other");
const HOST: Source = Source::Custom("host");

/// Two sources that establish and one that corroborates.
fn world() -> World {
    World::of(|builder| {
        builder
            .establish(Says::word(), Asserts::Any)
            .establish(Says::establishing("other", "x-other"), Asserts::Any)
            .corroborate(Says::naming("host", "x-host"))
    })
}

fn refused(world: &World, headers: &[(&str, &str)]) -> Reason {
    world.identify(&[Says::WORD, OTHER, HOST], headers).unwrap_err().reason()
}

/// A world whose one source proves this.
fn proving(make: impl Fn(UnixTime) -> Identity + Send + Sync + 'static) -> World {
    World::of(|builder| {
        let says = Says::new("word", "x-word", move |_, now| {
            Ok(Some(Claim::Establishes(Arc::new(make(now)))))
        });
        builder.establish(says, Asserts::Any)
    })
}

fn judge(world: &World) -> Result<(), Reason> {
    world.identify(&[Says::WORD], &[("x-word", "acme")]).map(|_| ()).map_err(|it| it.reason())
}

#[test]
fn a_context_says_what_was_proved_and_what_the_directory_adds() {
    let world = proving(|now| {
        identity("acme", "ann", now)
            .actor(subject("bob"))
            .workload("edge".parse().unwrap())
            .scopes("documents.read  documents.write".parse().unwrap())
            .region("eu-1".parse().unwrap())
            .transaction("t-1".parse().unwrap())
            .epoch(RoutingEpoch(7))
    });
    let context = world.context("acme");
    assert_eq!(context.tenant(), &id("acme"));
    assert_eq!(context.tier().as_str(), "gold");
    assert_eq!(context.incarnation(), Incarnation::FIRST);
    assert_eq!(context.subject(), &subject("ann"));
    assert_eq!(context.actor(), Some(&subject("bob")));
    assert_eq!(context.workload().map(Text::as_str), Some("edge"));
    assert_eq!(context.scopes().collect::<Vec<_>>(), ["documents.read", "documents.write"]);
    assert!(context.has_scope("documents.read") && !context.has_scope("documents"));
    assert!(!context.has_scope(""));
    assert_eq!(context.region().map(Text::as_str), Some("eu-1"));
    assert_eq!(context.transaction().as_str(), "t-1");
    assert_eq!(context.epoch(), Some(RoutingEpoch(7)));
    assert_eq!(context.expires(), START.saturating_add(LIFE));
    assert_eq!(context.provenance().established_by(), Says::WORD);
    assert_eq!(context.provenance().agreed().len(), 1);
    assert_eq!(context.authority(), &world.authority);
}

#[test]
fn nothing_at_all_is_no_tenant_and_names_do_not_make_a_proof() {
    let world = world();
    let refusal = world.identify(&[Says::WORD], &[("accept", "*/*")]).unwrap_err();
    assert_eq!((refusal.code(), refusal.reason()), (RefusalCode::NoTenant, Reason::NoIdentity));
    assert_eq!(refusal.door(), Door::Request);
    assert_eq!(refused(&world, &[("x-host", "acme")]), Reason::NotEstablished);
    assert_eq!(Reason::NotEstablished.code(), RefusalCode::Unverified);
    assert_eq!(world.directory.asked(), 0);
}

#[test]
fn a_listener_that_admits_nothing_lets_nobody_in_and_does_not_blame_the_caller() {
    for headers in [&[("x-word", "acme")][..], &[]] {
        let refusal = world().identify(&[], headers).unwrap_err();
        assert_eq!(refusal.reason(), Reason::NoLayer);
    }
    assert_eq!(Reason::NoLayer.code(), RefusalCode::NoTenant);
}

#[test]
fn all_that_is_there_agrees_or_nothing_is_looked_up() {
    let world = world();
    for disagree in [
        &[("x-word", "acme"), ("x-other", "globex")][..],
        &[("x-word", "acme/ann"), ("x-other", "acme/bob")],
        &[("x-word", "acme"), ("x-host", "globex")],
        &[("x-word", "acme"), ("x-other", "acme"), ("x-host", "globex")],
        // Of a tenant that does not exist: whether it does is not told.
        &[("x-word", "acme"), ("x-host", "nobody")],
        &[("x-word", "nobody"), ("x-host", "acme")],
    ] {
        assert_eq!(refused(&world, disagree), Reason::SourcesDisagree, "{disagree:?}");
        assert_eq!(world.directory.asked(), 0);
        let event = world.last_event();
        let AuditAction::Refused(refusal) = event.action else { panic!("{event:?}") };
        assert_eq!(refusal.code(), RefusalCode::Mismatch);
    }
    let agree = [("x-word", "acme"), ("x-other", "acme"), ("x-host", "acme")];
    let context = world.identify(&[Says::WORD, OTHER, HOST], &agree).unwrap();
    assert_eq!(context.provenance().agreed().len(), 3);
    assert_eq!(context.provenance().established_by(), Says::WORD);
    assert_eq!(world.directory.asked(), 1);
}

#[test]
fn two_proofs_for_two_incarnations_disagree() {
    let numbered = |name, header, number| {
        Says::new(name, header, move |_, now| {
            let identity = identity("acme", "ann", now).incarnation(Incarnation::new(number));
            Ok(Some(Claim::Establishes(Arc::new(identity))))
        })
    };
    let judge = |one, other| {
        let world = World::of(|builder| {
            builder
                .establish(numbered("word", "x-word", one), Asserts::Any)
                .establish(numbered("other", "x-other", other), Asserts::Any)
        });
        world
            .identify(&[Says::WORD, OTHER], &[("x-word", "acme"), ("x-other", "acme")])
            .map(|_| ())
            .map_err(|it| it.reason())
    };
    assert_eq!(judge(1, 1), Ok(()));
    assert_eq!(judge(1, 2), Err(Reason::SourcesDisagree));
    assert_eq!(judge(2, 2), Err(Reason::StaleIncarnation));
}

#[test]
fn every_proof_is_of_the_tenant_that_has_the_id_now() {
    type Make = fn(Identity, UnixTime) -> Identity;
    const EARLIER: Duration = Duration::from_secs(1);
    let fresh: [Make; 2] = [
        |identity, now| identity.issued(now),
        |identity, _| identity.incarnation(Incarnation::new(2)),
    ];
    let stale: [Make; 3] = [
        |identity, _| identity.incarnation(Incarnation::FIRST),
        |identity, now| identity.issued(now.saturating_sub(EARLIER)),
        |identity, _| identity,
    ];
    let judge = |first: Make, second: Make| {
        let proving = |name, header, make: Make| {
            Says::new(name, header, move |_, now| {
                let until = now.saturating_add(LIFE);
                let identity = Identity::new(id("acme"), subject("ann"), until);
                Ok(Some(Claim::Establishes(Arc::new(make(identity, now)))))
            })
        };
        let world = World::of(|builder| {
            builder
                .establish(proving("word", "x-word", first), Asserts::Any)
                .establish(proving("other", "x-other", second), Asserts::Any)
        });
        world.change("acme", |record| record.incarnation(Incarnation::new(2), START));
        world
            .identify(&[Says::WORD, OTHER], &[("x-word", "acme"), ("x-other", "acme")])
            .map(|_| ())
            .map_err(|it| it.code())
    };
    for good in fresh {
        assert!(fresh.iter().all(|other| judge(good, *other) == Ok(())));
        for (at, bad) in stale.into_iter().enumerate() {
            for (first, second) in [(good, bad), (bad, good)] {
                let refused = judge(first, second).unwrap_err();
                // Two that name different incarnations disagree; all others are too old.
                let either = [RefusalCode::Unverified, RefusalCode::Mismatch];
                assert!(either.contains(&refused), "{at}: {refused}");
            }
        }
    }
}

#[test]
fn who_really_acts_is_not_lost_between_two_proofs() {
    let acting = |name, header, actor: Option<&'static str>| {
        Says::new(name, header, move |_, now| {
            let identity = identity("acme", "ann", now);
            let identity = match actor {
                Some(actor) => identity.actor(subject(actor)),
                None => identity,
            };
            Ok(Some(Claim::Establishes(Arc::new(identity))))
        })
    };
    let judge = |one, other| {
        let world = World::of(|builder| {
            builder
                .establish(acting("word", "x-word", one), Asserts::Any)
                .establish(acting("other", "x-other", other), Asserts::Any)
        });
        world
            .identify(&[Says::WORD, OTHER], &[("x-word", "acme"), ("x-other", "acme")])
            .map(|context| context.actor().cloned())
            .map_err(|it| it.reason())
    };
    assert_eq!(judge(None, None), Ok(None));
    assert_eq!(judge(Some("bob"), None), Ok(Some(subject("bob"))));
    assert_eq!(judge(None, Some("bob")), Ok(Some(subject("bob"))));
    assert_eq!(judge(Some("bob"), Some("eve")), Err(Reason::SourcesDisagree));
}

#[test]
fn two_proofs_allow_what_each_of_them_allows() {
    let allowing = |name, header, scopes: &'static str| {
        Says::new(name, header, move |_, now| {
            let identity = identity("acme", "ann", now).scopes(scopes.parse().unwrap());
            Ok(Some(Claim::Establishes(Arc::new(identity))))
        })
    };
    let allowed = |one, other| {
        let world = World::of(|builder| {
            builder
                .establish(allowing("word", "x-word", one), Asserts::Any)
                .establish(allowing("other", "x-other", other), Asserts::Any)
        });
        let both = [("x-word", "acme"), ("x-other", "acme")];
        let context = world.identify(&[Says::WORD, OTHER], &both).unwrap();
        context.scopes().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(allowed("read write", "write read delete"), "read write");
    assert_eq!(allowed("read write", "write"), "write");
    assert_eq!(allowed("read", "read write"), "read");
    assert_eq!(allowed("read", "write"), "");
    // One that says nothing of them allows nothing.
    assert_eq!(allowed("read", ""), "");
    assert_eq!(allowed("", "read"), "");
}

#[test]
fn two_proofs_of_two_regions_disagree() {
    let living = |name, header, region: Option<&'static str>| {
        Says::new(name, header, move |_, now| {
            let identity = identity("acme", "ann", now);
            let identity = match region {
                Some(region) => identity.region(region.parse().unwrap()),
                None => identity,
            };
            Ok(Some(Claim::Establishes(Arc::new(identity))))
        })
    };
    let judge = |one, other| {
        let world = World::of(|builder| {
            builder
                .establish(living("word", "x-word", one), Asserts::Any)
                .establish(living("other", "x-other", other), Asserts::Any)
        });
        let both = [("x-word", "acme"), ("x-other", "acme")];
        let outcome = world.identify(&[Says::WORD, OTHER], &both);
        outcome.map(|_| ()).map_err(|refusal| refusal.reason())
    };
    assert_eq!(judge(Some("eu"), Some("eu")), Ok(()));
    assert_eq!(judge(Some("eu"), None), Ok(()));
    assert_eq!(judge(Some("eu"), Some("us")), Err(Reason::SourcesDisagree));
}

#[test]
fn a_source_that_does_not_hold_is_never_skipped_for_another() {
    let world = world();
    for headers in [[("x-word", "acme"), ("x-other", "?")], [("x-word", "?"), ("x-other", "acme")]]
    {
        assert_eq!(refused(&world, &headers), Reason::MalformedHeader);
    }
    assert_eq!(world.directory.asked(), 0);
}

#[test]
fn two_sources_may_read_one_header_and_each_is_asked() {
    let world = World::of(|builder| {
        builder.establish(Says::word(), Asserts::Any).corroborate(Says::naming("host", "x-word"))
    });
    let context = world.identify(&[Says::WORD, HOST], &[("x-word", "acme")]).unwrap();
    assert_eq!(context.provenance().agreed().len(), 2);
}

#[test]
fn a_source_that_was_registered_to_corroborate_proves_nothing() {
    let world = World::of(|builder| {
        builder
            .establish(Says::word(), Asserts::Any)
            .corroborate(Says::establishing("other", "x-other"))
    });
    let judge = |headers: &[(&str, &str)]| world.identify(&[Says::WORD, OTHER], headers);
    assert_eq!(judge(&[("x-other", "acme")]).unwrap_err().reason(), Reason::NotEstablished);
    let refusal = judge(&[("x-word", "acme"), ("x-other", "globex")]).unwrap_err();
    assert_eq!(refusal.reason(), Reason::SourcesDisagree);
    // Its subject is not compared: it has none that counts.
    assert!(judge(&[("x-word", "acme/ann"), ("x-other", "acme/bob")]).is_ok());
}

#[test]
fn an_issuer_asserts_only_its_own_tenants_and_existence_is_not_told() {
    for asserts in [Asserts::only([id("acme")]), Asserts::when(|tenant| tenant == "acme")] {
        let world = World::of(|builder| builder.establish(Says::word(), asserts));
        let judge = |tenant| {
            let outcome = world.identify(&[Says::WORD], &[("x-word", tenant)]);
            outcome.map(|_| ()).map_err(|it| it.reason())
        };
        assert_eq!(judge("globex"), Err(Reason::IssuerNotAllowed));
        assert_eq!(judge("nobody"), Err(Reason::IssuerNotAllowed));
        assert_eq!(world.directory.asked(), 0);
        // It is not a verified tenant, so the event does not name it as one.
        assert_eq!(world.last_event().tenant, None);
        assert_eq!(judge("acme"), Ok(()));
    }
}

#[test]
fn existence_and_suspension_are_told_only_after_a_proof() {
    let world = world();
    world.change("globex", |record| record.status(TenantStatus::Suspended));
    assert_eq!(refused(&world, &[("x-word", "nobody")]), Reason::UnknownTenant);
    assert_eq!(refused(&world, &[("x-word", "globex")]), Reason::TenantSuspended);
    assert_eq!(world.last_event().tenant, Some(id("globex")));
    let asked = world.directory.asked();
    assert_eq!(asked, 2);
    for unproven in ["nobody", "globex", "acme"] {
        assert_eq!(refused(&world, &[("x-host", unproven)]), Reason::NotEstablished);
    }
    assert_eq!(world.directory.asked(), asked);
}

#[test]
fn a_tenant_that_is_moved_is_told_to_come_back() {
    let world = world();
    world.change("acme", |record| record.status(TenantStatus::Moving));
    assert_eq!(refused(&world, &[("x-word", "acme")]), Reason::TenantMoving);
    assert_eq!(Reason::TenantMoving.code(), RefusalCode::Moving);
}

#[test]
fn identity_that_has_expired_is_refused_at_that_very_millisecond() {
    let until = |millis: u64| {
        proving(move |now| {
            Identity::new(
                id("acme"),
                subject("ann"),
                UnixTime::from_millis(now.as_millis() + millis),
            )
        })
    };
    assert_eq!(judge(&until(0)), Err(Reason::Expired));
    assert_eq!(judge(&until(1)), Ok(()));
    assert_eq!(until(0).directory.asked(), 0);
}

#[test]
fn a_context_lives_no_longer_than_the_shortest_of_its_proofs() {
    let lasting = |name, header, secs| {
        Says::new(name, header, move |_, now: UnixTime| {
            let until = now.saturating_add(Duration::from_secs(secs));
            Ok(Some(Claim::Establishes(Arc::new(Identity::new(id("acme"), subject("ann"), until)))))
        })
    };
    for (one, other) in [(100, 50), (50, 100)] {
        let world = World::of(|builder| {
            builder
                .establish(lasting("word", "x-word", one), Asserts::Any)
                .establish(lasting("other", "x-other", other), Asserts::Any)
        });
        let both = [("x-word", "acme"), ("x-other", "acme")];
        let context = world.identify(&[Says::WORD, OTHER], &both).unwrap();
        assert_eq!(context.expires(), START.saturating_add(Duration::from_secs(50)));
    }
}

#[test]
fn identity_of_a_deleted_tenant_is_not_valid_for_its_successor() {
    let second = Incarnation::FIRST.next();
    let recreated = |world: &World, created: UnixTime| {
        world.change("acme", |record| record.incarnation(second, created));
    };
    // One that names its incarnation.
    let world = proving(|now| identity("acme", "ann", now).incarnation(Incarnation::FIRST));
    assert_eq!(judge(&world), Ok(()));
    recreated(&world, UnixTime::EPOCH);
    assert_eq!(judge(&world), Err(Reason::StaleIncarnation));
    let world = proving(move |now| identity("acme", "ann", now).incarnation(second));
    assert_eq!(judge(&world), Err(Reason::StaleIncarnation));
    recreated(&world, UnixTime::EPOCH);
    assert_eq!(judge(&world), Ok(()));

    // One that only says when it was issued.
    let world = proving(|now| identity("acme", "ann", now));
    recreated(&world, START);
    assert_eq!(judge(&world), Ok(()));
    recreated(&world, UnixTime::from_millis(START.as_millis() + 1));
    assert_eq!(judge(&world), Err(Reason::StaleIncarnation));
    // And one that does not.
    let world = proving(|now| Identity::new(id("acme"), subject("ann"), now.saturating_add(LIFE)));
    assert_eq!(judge(&world), Ok(()));
    recreated(&world, START);
    assert_eq!(judge(&world), Err(Reason::StaleIncarnation));
}

#[test]
fn a_source_sees_the_host_the_path_and_the_peer() {
    #[derive(Debug)]
    struct Host;
    impl IdentitySource for Host {
        fn source(&self) -> Source {
            HOST
        }
        fn claim(&self, presented: &Presented<'_>, _: UnixTime) -> Result<Option<Claim>, Reason> {
            assert_eq!(presented.path(), "/v1/documents");
            assert_eq!(presented.peer().certificate, Some(&b"der"[..]));
            assert_eq!(presented.header("x-not-declared"), None);
            let tenant = presented.host().and_then(|host| host.split('.').next());
            Ok(tenant.map(|tenant| Claim::Corroborates(id(tenant))))
        }
    }
    let world =
        World::of(|builder| builder.establish(Says::word(), Asserts::Any).corroborate(Host));
    let judge = |host| {
        let headers = map(&[("x-word", "acme"), ("x-not-declared", "?")]);
        let inbound = Inbound::new(&headers)
            .from(Peer::UNKNOWN.certificate(b"der"))
            .host(host)
            .path("/v1/documents");
        let listener = world.authority.listener().admit(Says::WORD).admit(HOST);
        listener
            .identify(inbound)
            .map(|it| it.provenance().agreed().len())
            .map_err(|it| it.reason())
    };
    assert_eq!(judge(None), Ok(1));
    assert_eq!(judge(Some("acme.example")), Ok(2));
    assert_eq!(judge(Some("globex.example")), Err(Reason::SourcesDisagree));
}

#[test]
fn two_transactions_that_begin_here_have_two_names() {
    let (world, other) = (world(), world());
    let first = world.context("acme");
    assert_ne!(first.transaction(), world.context("acme").transaction());
    // As in two processes, of which each has begun its first.
    assert_ne!(first.transaction(), other.context("acme").transaction());
}

#[test]
fn a_refusal_after_a_proof_is_audited_with_what_was_proved_and_the_peer() {
    let world = world();
    let headers = map(&[("x-word", "nobody/ann")]);
    let peer = Peer::UNKNOWN.addr("192.0.2.1:443".parse().unwrap());
    let listener = world.authority.listener().admit(Says::WORD).door(Door::Consume);
    let refusal = listener.identify(Inbound::new(&headers).from(peer)).unwrap_err();
    assert_eq!(refusal.door(), Door::Consume);
    let event = world.last_event();
    assert_eq!(event.action, AuditAction::Refused(refusal));
    assert_eq!((event.tenant, event.subject), (Some(id("nobody")), Some(subject("ann"))));
    assert_eq!(event.peer, peer.addr);
    assert_eq!(event.at, START);
}

#[test]
fn tenants_that_somebody_invents_do_not_take_the_counts_of_real_ones() {
    let world = world();
    world.change("acme", |record| record.status(TenantStatus::Suspended));
    // More than the sampler tells apart, each with a proof, some disagreeing with themselves.
    for number in 0..3000 {
        let (one, other) = (format!("t{number}"), format!("u{number}"));
        assert_eq!(refused(&world, &[("x-word", &one)]), Reason::UnknownTenant);
        let disagree = [("x-word", &*one), ("x-other", &*other)];
        assert_eq!(refused(&world, &disagree), Reason::SourcesDisagree);
    }
    let invented = world.sink.events();
    assert_eq!(invented.len(), 2 * 20);
    assert_eq!(invented[0].tenant, Some(id("t0")), "each that is told is told whole");

    for _ in 0..25 {
        assert_eq!(refused(&world, &[("x-word", "acme")]), Reason::TenantSuspended);
    }
    world.authority.flush_audit();
    let dropped = world.sink.events().into_iter().filter_map(|event| match event.action {
        AuditAction::Dropped { reason, count, .. } => Some((reason.unwrap(), event.tenant, count)),
        _ => None,
    });
    let mut dropped: Vec<_> = dropped.collect();
    dropped.sort_by_key(|(_, _, count)| *count);
    let expected = [
        (Reason::TenantSuspended, Some(id("acme")), 5),
        (Reason::UnknownTenant, None, 2980),
        (Reason::SourcesDisagree, None, 2980),
    ];
    assert_eq!(dropped.len(), 3);
    assert!(expected.iter().all(|it| dropped.contains(it)), "{dropped:?}");
}

#[test]
#[should_panic(expected = "no source 'other'")]
fn admitting_what_the_authority_does_not_have_is_an_error_in_the_wiring() {
    let _ = World::new().authority.listener().admit(OTHER);
}
