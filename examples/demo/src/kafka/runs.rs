//! What runs, and the topics on it.

use std::{
    env,
    sync::mpsc::{self, Sender},
    thread,
    time::Duration,
};

use tenantkit_kafka::rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::KafkaError,
    mocking::MockCluster,
};

use crate::Failed;

/// How long brokers may take to remove topics.
const PATIENCE: Duration = Duration::from_secs(10);

/// Until it is dropped.
pub(super) enum Runs {
    Mock { _stop: Sender<()> },
    Broker { _topics: Option<Topics>, _broker: Box<throwaway::Kafka> },
}

/// Topics on brokers that others use, which are removed when this is dropped.
pub(super) struct Topics {
    brokers: String,
    names: [String; 2],
}

/// On a thread of its own, because the cluster cannot leave the one that it was made on.
pub(super) fn mock(topics: [(String, i32); 2]) -> Result<(String, Runs), Failed> {
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    thread::Builder::new().name("mock-kafka".to_owned()).spawn(move || {
        let started = MockCluster::new(1).and_then(|cluster| {
            for (topic, partitions) in &topics {
                cluster.create_topic(topic, *partitions, 1)?;
            }
            Ok(cluster)
        });
        // Nobody waits for what nobody is told.
        let _ =
            tell.send(started.as_ref().map(MockCluster::bootstrap_servers).map_err(Clone::clone));
        let _ = stopped.recv();
        drop(started);
    })?;
    Ok((told.recv()??, Runs::Mock { _stop: stop }))
}

/// The brokers that the environment names, or else one that is started.
pub(super) async fn broker(topics: [(String, i32); 2]) -> Result<(String, Runs), Failed> {
    let broker = throwaway::Kafka::from_env_or_start()?;
    let brokers = broker.brokers().to_owned();
    let made = topics
        .each_ref()
        .map(|(topic, partitions)| NewTopic::new(topic, *partitions, TopicReplication::Fixed(1)));
    for made in admin(&brokers)?.create_topics(&made, &AdminOptions::new()).await? {
        made.map_err(|(topic, code)| format!("{topic} was not made: {code}"))?;
    }
    let names = topics.map(|(topic, _)| topic);
    let are_others = env::var_os(throwaway::Kafka::VARIABLE).is_some();
    let topics = are_others.then(|| Topics { brokers: brokers.clone(), names });
    Ok((brokers, Runs::Broker { _topics: topics, _broker: Box::new(broker) }))
}

fn admin(brokers: &str) -> Result<AdminClient<DefaultClientContext>, KafkaError> {
    ClientConfig::new().set("bootstrap.servers", brokers).create()
}

impl Topics {
    fn remove(&self) -> Result<(), Failed> {
        let (admin, names) = (admin(&self.brokers)?, self.names.each_ref().map(String::as_str));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(admin.delete_topics(&names, &options))?;
        Ok(())
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        // On a thread of its own, because this may be dropped inside a runtime.
        thread::scope(|scope| {
            scope.spawn(|| {
                if let Err(error) = self.remove() {
                    eprintln!("{} are left on {}: {error}", self.names.join(" and "), self.brokers);
                }
            });
        });
    }
}
