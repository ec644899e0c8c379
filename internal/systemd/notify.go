// Package systemd reports the state of the service to systemd (sd_notify(3)). Without systemd it does nothing.
package systemd

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Notifier sends states to the socket that systemd named. The zero Notifier says nothing.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// New reads NOTIFY_SOCKET and WATCHDOG_USEC by getenv.
func New(getenv func(string) string) Notifier {
	n := Notifier{socket: getenv("NOTIFY_SOCKET")}
	if n.socket != "" && n.socket[0] == '@' {
		n.socket = "\x00" + n.socket[1:] // an abstract socket
	}
	if us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
		n.watchdog = time.Duration(us) * time.Microsecond
	}
	return n
}

// Send sends one state, such as READY=1 or STOPPING=1.
func (n Notifier) Send(state string) error {
	if n.socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell systemd %q: %w", state, err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell systemd %q: %w", state, err)
	}
	return nil
}

// Watchdog says that the service is alive, twice in the time that systemd allows, while alive says so. It returns when
// ctx ends, and at once when systemd watches nothing.
func (n Notifier) Watchdog(ctx context.Context, alive func() bool) {
	if n.watchdog == 0 || n.socket == "" {
		return
	}
	t := time.NewTicker(n.watchdog / 2)
	defer t.Stop()
	for {
		if alive() {
			// A lost datagram is made up for by the next; a socket that is gone means that systemd is.
			_ = n.Send("WATCHDOG=1")
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
