//! The built-in page, for an operator on the same machine. What it shows is of many tenants, so each look at it is
//! granted, and audited.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use tenantkit::{Authority, Capability, Grant, Subject, Text, otel::board::Board};
use tokio::{net::TcpListener, sync::watch};

/// What an operator looks at the page with.
pub(crate) const OPERATORS: Capability =
    Capability::cross_tenant("telemetry", Duration::from_secs(60));

struct Shown {
    authority: Authority,
    board: Board,
    operator: Subject,
    why: Text,
}

/// Serves the page until it is stopped.
pub(crate) async fn serve(
    listener: TcpListener,
    authority: Authority,
    board: Board,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let text = |text: &str| text.parse::<Text>().map_err(io::Error::other);
    // Who on this machine it is, nobody can tell.
    let operator = Subject::new(text("acmedocs")?, text("operator")?);
    let why = text("a look at the telemetry page")?;
    let shown = Arc::new(Shown { authority, board, operator, why });
    let router = Router::new().fallback(page).with_state(shown);
    let stop = async move { drop(stopped.changed().await) };
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn page(State(shown): State<Arc<Shown>>, uri: Uri) -> Response {
    let Shown { authority, board, operator, why } = &*shown;
    let grant = Grant::new(operator.clone(), why.clone(), Duration::from_secs(10));
    let granted = authority.cross_tenant(OPERATORS, grant).await;
    match granted.and_then(|who| board.page(&who, authority, uri.path(), uri.query())) {
        Ok(page) => {
            let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::OK);
            let headers = [
                (header::CONTENT_TYPE, page.content_type),
                (header::CACHE_CONTROL, page.cache_control),
            ];
            (status, headers, page.body).into_response()
        }
        Err(refusal) => tenantkit::Error::from(refusal).into_response(),
    }
}
