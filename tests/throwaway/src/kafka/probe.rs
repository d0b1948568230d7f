//! One request in Kafka's own protocol, without a client: which cluster answers on a port, and has a
//! broker?

use std::{
    io::{Error, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

/// Metadata, version 4, number 1, of no client in particular, about no topic, making none.
const REQUEST: [u8; 19] = [0, 0, 0, 15, 0, 3, 0, 4, 0, 0, 0, 1, 0xFF, 0xFF, 0, 0, 0, 0, 0];

/// Where the answer counts its brokers: after its size, its number and how long we were throttled.
const BROKERS: usize = 12;

/// The longest answer that there can be about one broker.
const LONGEST: usize = 1024;

/// Whether the broker that answers on this port is of this cluster, not somebody else's, and ready.
pub(super) fn answers(port: u16, cluster: &str) -> bool {
    metadata(port).is_ok_and(|answer| {
        answer.get(BROKERS..BROKERS + 4) == Some(&[0, 0, 0, 1])
            && answer.windows(cluster.len()).any(|bytes| bytes == cluster.as_bytes())
    })
}

fn metadata(port: u16) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(&REQUEST)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let length = u32::from_be_bytes(size) as usize;
    if length > LONGEST {
        return Err(Error::other("this is no Kafka"));
    }
    let mut answer = vec![0; size.len() + length];
    stream.read_exact(&mut answer[size.len()..])?;
    Ok(answer)
}
