// Package systemd reports the state of the service to systemd (sd_notify(3)). Without systemd it does nothing.
package systemd

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Notifier sends states to systemd's socket. The zero Notifier does nothing.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// New reads NOTIFY_SOCKET and WATCHDOG_USEC from the environment.
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

// Watchdog sends WATCHDOG=1 at half the interval that systemd allows, as long as alive returns true. It returns when
// ctx ends, or at once if systemd sets no watchdog.
func (n Notifier) Watchdog(ctx context.Context, alive func() bool) {
	if n.watchdog == 0 || n.socket == "" {
		return
	}
	t := time.NewTicker(n.watchdog / 2)
	defer t.Stop()
	for {
		if alive() {
			// The next datagram covers a lost one; without a socket systemd is gone.
			_ = n.Send("WATCHDOG=1")
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
