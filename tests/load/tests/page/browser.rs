//! Chromium without a window, driven over its pipe by the DevTools protocol: messages of JSON, each
//! with a NUL behind it.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use throwaway::Folder;

/// A browser with one tab. It ends when its pipe does, and so when we do.
pub(crate) struct Browser {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    last: u64,
    session: Option<String>,
    seen: Seen,
    is_loaded: bool,
    folder: Folder,
}

/// What the tab did while a page was opened.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Every URL that was asked for, that of the page first.
    pub(crate) requests: Vec<String>,
    /// What stands in the console.
    pub(crate) complaints: Vec<String>,
}

impl Browser {
    pub(crate) fn start(chromium: &Path) -> Self {
        let folder = Folder::new().unwrap();
        // The pipe is on the descriptors 3 and 4, which only a shell can give without unsafe code.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "browser"])
            .arg(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-extensions", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg("about:blank")
            .env("HOME", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut browser = Self {
            process,
            orders,
            answers,
            last: 0,
            session: None,
            seen: Seen::default(),
            is_loaded: false,
            folder,
        };
        let tab = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": tab["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Opens a page from a file, until it has loaded.
    pub(crate) fn open(&mut self, html: &str) -> Seen {
        let file = self.folder.path().join("page.html");
        fs::write(&file, html).unwrap();
        (self.seen, self.is_loaded) = (Seen::default(), false);
        self.call("Page.navigate", &json!({ "url": format!("file://{}", file.display()) }));
        while !self.is_loaded {
            let message = self.read();
            self.notice(&message);
        }
        // What comes in the same breath, as a favicon does, has been told by the next answer.
        self.evaluate("new Promise(done => setTimeout(done, 200))");
        std::mem::take(&mut self.seen)
    }

    /// What an expression comes to.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let evaluate =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut came = self.call("Runtime.evaluate", &evaluate);
        assert!(came.get("exceptionDetails").is_none(), "{came}");
        came["result"]["value"].take()
    }

    /// Prefers a colour scheme.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &scheme);
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        write!(self.orders.as_mut().unwrap(), "{message}\0").unwrap();
        loop {
            let mut message = self.read();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
            self.notice(&message);
        }
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.answers.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser ended");
        serde_json::from_slice(&message).unwrap()
    }

    fn notice(&mut self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Page.loadEventFired") => self.is_loaded = true,
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                // What is in the page itself is asked of nobody.
                if !url.starts_with("data:") {
                    self.seen.requests.push(url.to_owned());
                }
            }
            Some("Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled") => {
                self.seen.complaints.push(params.to_string());
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With this it ends, and takes what it has started along; killed, it would leave some of it.
        self.orders = None;
        let _ = self.process.wait();
    }
}
