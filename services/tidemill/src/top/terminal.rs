//! The terminal while a picture is on it: a screen of its own, keys one by one. It is given back as it was.

use std::io::{self, IsTerminal, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// A screen beside the one with the shell's lines, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Back to that one.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the first line.
const HOME: &str = "\x1b[H";
/// Clears the rest of a line, and of the screen.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";
/// Lines and columns where the terminal does not tell.
const USUAL_SIZE: (usize, usize) = (24, 80);

/// A terminal that shows pictures.
pub struct Terminal {
    before: libc::termios,
}

impl Terminal {
    /// Takes the terminal over, if there is one on both sides.
    pub fn take() -> io::Result<Option<Self>> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Ok(None);
        }
        let mut before = MaybeUninit::<libc::termios>::uninit();
        let input = io::stdin().as_raw_fd();
        // SAFETY: the descriptor is open as long as the process, and the structure is written before it is read.
        let before = unsafe {
            if libc::tcgetattr(input, before.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            before.assume_init()
        };
        let mut keys = before;
        // Keys come one by one and unseen; Ctrl-C stays a signal.
        keys.c_lflag &= !(libc::ICANON | libc::ECHO);
        // From here on dropping it puts everything back.
        let terminal = Self { before };
        set(&keys)?;
        write(ENTER)?;
        Ok(Some(terminal))
    }

    /// Shows a picture, as much of it as there is room for.
    pub fn show(&self, text: &str) -> io::Result<()> {
        let (lines_max, columns_max) = size();
        let mut picture = String::from(HOME);
        for (at, line) in text.lines().take(lines_max).enumerate() {
            if at > 0 {
                picture.push_str("\r\n");
            }
            picture.extend(line.chars().take(columns_max));
            picture.push_str(REST_OF_LINE);
        }
        picture.push_str(REST_OF_SCREEN);
        write(&picture)
    }

    /// Waits for a key; none came, or the input ended, within that time.
    pub fn key(&self, wait: Duration) -> io::Result<Option<u8>> {
        let timeout_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let mut waited = libc::pollfd { fd: io::stdin().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor that is open, and the structure outlives the call.
        match unsafe { libc::poll(&raw mut waited, 1, timeout_ms) } {
            0 => Ok(None),
            ready if ready < 0 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(None),
                error => Err(error),
            },
            _ => {
                let mut key = 0_u8;
                // Not through the library's buffer: what it kept, the next wait would not see.
                // SAFETY: one byte is read into one that is ours.
                let read = unsafe { libc::read(waited.fd, (&raw mut key).cast(), 1) };
                match read {
                    1 => Ok(Some(key)),
                    0 => Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => Err(io::Error::last_os_error()),
                }
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing more can be done for a terminal that takes neither.
        let _ = write(LEAVE);
        let _ = set(&self.before);
    }
}

fn set(mode: &libc::termios) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as the process, and the structure is only read.
    match unsafe { libc::tcsetattr(io::stdin().as_raw_fd(), libc::TCSANOW, mode) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Lines and columns of the terminal.
fn size() -> (usize, usize) {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call writes into the structure, which outlives it.
    let told = unsafe { libc::ioctl(io::stdout().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    match (told, size.ws_row, size.ws_col) {
        (0, rows, columns) if rows > 0 && columns > 0 => (rows.into(), columns.into()),
        _ => USUAL_SIZE,
    }
}
