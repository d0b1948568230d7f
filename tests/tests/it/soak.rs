//! Many tenants at once, each against a plain model of what it should see.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use demo::{Answer, Setup, World};
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{DOCUMENTS, bearer, nothing_is_left_open, world_of};

const TENANTS: usize = 12;
const STEPS: usize = 60;

/// Ids of everybody's documents, for everybody to try.
type Ids = Arc<Mutex<Vec<(String, String)>>>;

/// One tenant, and what it should see.
struct Tenant {
    name: String,
    world: Arc<World>,
    ids: Ids,
    documents: BTreeMap<String, String>,
    random: u64,
}

impl Tenant {
    /// Numbers that look random and are the same in each run.
    fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) as usize % below
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let bearer = bearer(&self.world, &self.name);
        let body = body.map(|body| body.to_string());
        let headers = [("authorization", bearer.as_str())];
        self.world.edge.call(method, path, &headers, body.as_deref()).await.unwrap()
    }

    fn own(&mut self) -> Option<String> {
        let at = self.random(self.documents.len().max(1));
        self.documents.keys().nth(at).cloned()
    }

    fn anothers(&mut self) -> Option<String> {
        let ids = Arc::clone(&self.ids);
        let ids = ids.lock().unwrap();
        let at = self.random(ids.len().max(1));
        ids.get(at).filter(|(owner, _)| *owner != self.name).map(|(_, id)| id.clone())
    }

    fn path(id: &str) -> String {
        format!("{DOCUMENTS}/{id}")
    }

    async fn step(&mut self, number: usize) {
        let title = format!("{} {number}", self.name);
        match self.random(8) {
            0..3 => {
                let answer = self.call(Method::POST, DOCUMENTS, Some(json!({ "title": title })));
                let answer = answer.await;
                assert_eq!(answer.status, 201, "{answer}");
                let id = answer.member("id");
                self.ids.lock().unwrap().push((self.name.clone(), id.clone()));
                self.documents.insert(id, title);
            }
            3 => {
                let Some(id) = self.own() else { return };
                let answer = self.call(Method::GET, &Self::path(&id), None).await;
                assert_eq!(answer.member("title"), self.documents[&id], "{answer}");
            }
            4 => {
                let Some(id) = self.own() else { return };
                let body = Some(json!({ "title": title }));
                let answer = self.call(Method::PUT, &Self::path(&id), body).await;
                assert_eq!(answer.status, 200, "{answer}");
                self.documents.insert(id, title);
            }
            5 => {
                let Some(id) = self.own() else { return };
                let answer = self.call(Method::DELETE, &Self::path(&id), None).await;
                assert_eq!(answer.status, 204, "{answer}");
                self.documents.remove(&id);
            }
            6 => {
                let Some(id) = self.anothers() else { return };
                for (method, body) in [
                    (Method::GET, None),
                    (Method::PUT, Some(json!({ "title": title }))),
                    (Method::DELETE, None),
                ] {
                    let answer = self.call(method, &Self::path(&id), body).await;
                    assert_eq!(answer.status, 404, "{answer}");
                }
            }
            _ => self.sees_its_own().await,
        }
    }

    /// Page by page.
    async fn sees_its_own(&self) {
        let (mut seen, mut after) = (BTreeMap::new(), String::new());
        loop {
            let path = format!("{DOCUMENTS}?limit=7&after={after}");
            let answer = self.call(Method::GET, &path, None).await;
            let page: Value = serde_json::from_str(&answer.body).unwrap();
            for document in page["documents"].as_array().unwrap() {
                let text = |name: &str| document[name].as_str().unwrap().to_owned();
                seen.insert(text("id"), text("title"));
            }
            match page["next_after"].as_str() {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen, self.documents, "{}", self.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_tenants_at_work_each_sees_its_own_rows_and_no_others() {
    let names = (0..TENANTS).map(|at| format!("soak-{at}"));
    let setup = Setup::default().tenants(names.clone()).max_connections(3);
    let world = Arc::new(world_of(setup).await);
    let ids = Ids::default();
    let mut tenants = JoinSet::new();
    for (seed, name) in names.enumerate() {
        let (world, ids) = (Arc::clone(&world), Arc::clone(&ids));
        let documents = BTreeMap::new();
        let mut tenant = Tenant { name, world, ids, documents, random: seed as u64 };
        tenants.spawn(async move {
            for number in 0..STEPS {
                tenant.step(number).await;
            }
            tenant.sees_its_own().await;
            tenant.documents.len()
        });
    }
    let left: usize = tenants.join_all().await.into_iter().sum();
    assert!(left > TENANTS, "hardly anything was written");
    nothing_is_left_open(&world).await;
}
