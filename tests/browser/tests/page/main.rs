//! The page in a real browser.

mod acting;
mod changing;
mod finding;
mod following;
mod looking;
mod night;
mod reading;
mod safety;
mod several;
mod speed;

use page_tests::{Browser, SECRET, Server};

/// A server with keys: everybody may look, `ops` may do everything.
async fn with_keys(sections: &str) -> Server {
    let keys = page_tests::key("ops", "use, observe, admin", "*") + &page_tests::key("ci", "use, observe", "san-*");
    Server::start(&format!("{keys}[anonymous]\nRIGHTS=observe\n\n{sections}")).await
}

/// Opens a page as one who has signed in with that key.
async fn open_as(browser: &Browser, server: &Server, key: &str, path: &str) {
    browser.open(&server.url("/openapi.json")).await;
    let secret = format!("{key}{SECRET}");
    browser.js("sessionStorage.setItem('lockserver-key', arguments[0])", vec![secret.into()]).await;
    browser.open(&server.url(path)).await;
    browser.until_text("#state", "Live").await;
}

/// Opens a page and waits until it follows the server.
async fn open(browser: &Browser, server: &Server, path: &str) {
    browser.open(&server.url(path)).await;
    browser.until_text("#state", "Live").await;
}
