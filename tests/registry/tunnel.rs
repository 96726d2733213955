//! A proxy that leads every connection to one server; its threads end with the process.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::stub::Stub;

pub(crate) struct Tunnel {
    pub(crate) address: String,
    connects: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    pub(crate) fn to(stub: &Stub) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connects: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, server) = (Arc::clone(&connects), stub.address());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                connect(client.unwrap(), &server, &connects).unwrap();
            }
        });
        Self { address, connects: kept }
    }

    /// Returns the first lines of the requests.
    pub(crate) fn connects(&self) -> Vec<String> {
        self.connects.lock().unwrap().clone()
    }
}

/// Records a `CONNECT`, answers it, and passes everything on.
fn connect(mut client: TcpStream, server: &str, connects: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first)?;
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    // A client may end, and a test compare, as soon as the answer is there.
    connects.lock().unwrap().push(first.trim_end().to_owned());
    let mut up = TcpStream::connect(server)?;
    let (mut down, mut back) = (up.try_clone()?, client.try_clone()?);
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    std::thread::spawn(move || io::copy(&mut reader, &mut up));
    std::thread::spawn(move || {
        io::copy(&mut down, &mut back).ok();
        back.shutdown(Shutdown::Both)
    });
    Ok(())
}
