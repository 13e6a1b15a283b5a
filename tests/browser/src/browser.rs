//! A headless Chromium, driven by its own chromedriver (W3C WebDriver).

use crate::{LOOK, PATIENCE};
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Instant;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use url::Url;

/// How the page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Width of the window in CSS pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Device pixels for each.
    pub scale: u32,
    /// A touch screen that a hand holds.
    pub phone: bool,
    /// The reader prefers dark colours.
    pub dark: bool,
    /// Scripts may run.
    pub scripts: bool,
}

/// A screen on a desk.
pub const WIDE: Look = Look { width: 1280, height: 900, scale: 1, phone: false, dark: false, scripts: true };
/// A phone held upright.
pub const PHONE: Look = Look { width: 390, height: 844, scale: 2, phone: true, dark: false, scripts: true };

/// What Chromium would ask of the network, and what a container has not.
const FLAGS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--lang=en-GB",
];

/// One browser with one window, and a profile of its own.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    pid: Option<Pid>,
    driver: Child,
    _profile: TempDir,
}

/// A command of chromedriver's own.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or(""), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start(look: Look) -> Self {
        let profile = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", profile.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.kill_on_drop(true).spawn().unwrap_or_else(|error| {
            panic!("chromedriver: {error}: install the Debian packages chromium and chromium-driver")
        });
        let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
        let port = async {
            while let Some(line) = lines.next_line().await.expect("it can be read") {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return port.trim_end_matches('.').to_owned();
                }
            }
            panic!("chromedriver ended")
        };
        let port = timeout(PATIENCE, port).await.expect("chromedriver is ready in time");
        // It goes on talking; nobody reads it, and it must not be stopped by that.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let mut options = json!({
            "args": FLAGS.iter().map(|flag| (*flag).to_owned()).chain([
                format!("--user-data-dir={}", profile.path().display()),
                format!("--window-size={},{}", look.width, look.height),
            ]).collect::<Vec<_>>(),
        });
        if !look.scripts {
            options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
        }
        let capabilities = json!({
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object is written there") };
        let connect = async {
            let mut builder = ClientBuilder::new(hyper_connector());
            builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await
        };
        let client = timeout(PATIENCE, connect).await.expect("Chromium starts in time").unwrap_or_else(|error| {
            panic!("Chromium: {error}: install the Debian packages chromium and chromium-driver")
        });
        let pid = client.capabilities().and_then(|all| all.get("goog:processID")).and_then(Value::as_i64);
        let pid = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let browser = Self { client, pid, driver, _profile: profile };
        let metrics = json!({
            "width": look.width, "height": look.height, "deviceScaleFactor": look.scale, "mobile": look.phone,
        });
        browser.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        browser.cdp("Emulation.setLocaleOverride", json!({"locale": "en-GB"})).await;
        browser.prefer("prefers-color-scheme", if look.dark { "dark" } else { "light" }).await;
        browser
    }

    /// A command of the Chrome DevTools Protocol.
    ///
    /// # Panics
    /// If it fails.
    pub async fn cdp(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.client.issue_cmd(Own { path: "goog/cdp/execute", body }).await.expect("the browser does it")
    }

    /// What the reader prefers.
    pub async fn prefer(&self, feature: &str, value: &str) {
        let features = json!({"features": [{"name": feature, "value": value}]});
        self.cdp("Emulation.setEmulatedMedia", features).await;
    }

    /// Opens an address.
    ///
    /// # Panics
    /// If the browser does not answer.
    pub async fn open(&self, url: &str) {
        timeout(PATIENCE, self.client.goto(url)).await.expect("in time").expect("it is opened");
    }

    /// What a script gives: the body of a function.
    ///
    /// # Panics
    /// If it throws.
    pub async fn js(&self, script: &str, arguments: Vec<Value>) -> Value {
        let run = self.client.execute(script, arguments);
        timeout(PATIENCE, run).await.expect("in time").unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same of a script that gives its result to a callback, its last argument.
    ///
    /// # Panics
    /// If it throws.
    pub async fn js_later(&self, script: &str, arguments: Vec<Value>) -> Value {
        let run = self.client.execute_async(script, arguments);
        timeout(PATIENCE, run).await.expect("in time").unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until a script gives something true, and gives that.
    ///
    /// # Panics
    /// If it never does.
    pub async fn until(&self, what: &str, script: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // While a document is being replaced there is nothing to ask.
            let value = self.client.execute(script, Vec::new()).await.unwrap_or(Value::Null);
            if !matches!(value, Value::Null | Value::Bool(false)) && value != "" {
                return value;
            }
            if Instant::now() > deadline {
                panic!("never came: {what}\n{}\n{:#?}", self.text("body").await, self.log().await);
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until the text of an element has this in it.
    pub async fn until_text(&self, selector: &str, text: &str) {
        let script = format!(
            "return document.querySelector({})?.textContent.replaceAll('\\u00a0', ' ').includes({})",
            json!(selector),
            json!(text)
        );
        self.until(&format!("{text:?} in {selector}"), &script).await;
    }

    /// The text of an element as it is seen; empty if there is none.
    pub async fn text(&self, selector: &str) -> String {
        let script = "return (document.querySelector(arguments[0])?.innerText ?? '').replaceAll('\\u00a0', ' ')";
        self.js(script, vec![selector.into()]).await.as_str().unwrap_or_default().to_owned()
    }

    /// Presses something, as soon as it is there.
    ///
    /// # Panics
    /// If it is not.
    pub async fn click(&self, selector: &str) {
        self.until(
            &format!("{selector} to click"),
            &format!("return document.querySelector({}) !== null", json!(selector)),
        )
        .await;
        let element = self.client.find(Locator::Css(selector)).await.expect("it is there");
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Presses a key, or writes a text, where the focus is. Keys are characters of WebDriver's private area.
    ///
    /// # Panics
    /// If the browser does not answer.
    pub async fn keys(&self, keys: &str) {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for key in keys.chars() {
            actions = actions.then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key });
        }
        timeout(PATIENCE, self.client.perform_actions(actions)).await.expect("in time").expect("pressed");
    }

    /// What the browser has complained of since this was asked last.
    ///
    /// # Panics
    /// If the browser does not answer.
    pub async fn log(&self) -> Vec<String> {
        let told = self.client.issue_cmd(Own { path: "se/log", body: json!({"type": "browser"}) }).await;
        let told = told.expect("the browser tells");
        let entries = told.as_array().cloned().unwrap_or_default();
        // Beside complaints, there is advice to developers.
        let complaints = entries.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        complaints.map(|entry| entry["message"].to_string()).collect()
    }

    /// Ends it, and fails if the browser has complained of anything but what has one of these in it: a script that
    /// failed, something that the policy of the page forbids, a request that was refused.
    ///
    /// # Panics
    /// See above.
    pub async fn end(mut self, expected: &[&str]) {
        let log = self.log().await;
        let complaints: Vec<&String> =
            log.iter().filter(|line| !expected.iter().any(|part| line.contains(part))).collect();
        assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
        if self.client.clone().close().await.is_ok() {
            // It has ended, and its number may be another's by now.
            self.pid = None;
        }
    }

    /// A picture of all of it as WebP, in base64.
    pub async fn picture(&self, look: Look) -> String {
        let height = self.js("return document.documentElement.scrollHeight", Vec::new()).await;
        let height = height.as_f64().unwrap_or(0.0).max(f64::from(look.height));
        let clip = json!({"x": 0, "y": 0, "width": look.width, "height": height, "scale": 1});
        let told = self
            .cdp(
                "Page.captureScreenshot",
                json!({"format": "webp", "quality": 70, "clip": clip, "captureBeyondViewport": true}),
            )
            .await;
        told["data"].as_str().expect("a picture").to_owned()
    }
}

fn hyper_connector() -> hyper_util::client::legacy::connect::HttpConnector {
    hyper_util::client::legacy::connect::HttpConnector::new()
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that failed did not end its session, and Chromium outlives its driver.
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, Signal::KILL);
        }
        drop(self.driver.start_kill());
    }
}
