package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// facility is that of security messages (RFC 5424, 6.2.1), largest the datagram size that every receiver accepts (6.1).
const (
	facility = 4
	largest  = 2048
)

// CheckSyslog validates an address; empty is valid.
func CheckSyslog(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Port() == "" || strings.Trim(u.Path, "/") != "" || !slices.Contains([]string{"udp", "tcp", "tls"}, u.Scheme) {
		return fmt.Errorf("alerts.syslog: %q is not an address as in tls://host:6514, tcp://host:601 or udp://host:514", address)
	}
	return nil
}

// log sends one message per alert over one connection, and returns how many are done. Datagrams are not acknowledged:
// over UDP only an unreachable host is an error.
func (s *Sender) log(ctx context.Context, items []Item) (done int, err error) {
	u, err := url.Parse(s.o.Syslog)
	if err != nil {
		return 0, CheckSyslog(s.o.Syslog)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*patient)
	defer cancel()
	dialer := &net.Dialer{Timeout: patient}
	var conn net.Conn
	if u.Scheme == "tls" {
		config := s.tls.Clone()
		config.ServerName = u.Hostname()
		conn, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", u.Host)
	} else {
		conn, err = dialer.DialContext(ctx, u.Scheme, u.Host)
	}
	if err != nil {
		return 0, fmt.Errorf("syslog on %s: %w", u.Host, err)
	}
	deadline, _ := ctx.Deadline()
	errs := []error{conn.SetDeadline(deadline)}
	var no refused
	for done = range items {
		most := 0
		if u.Scheme == "udp" {
			most = largest
		}
		message, err := s.message(&items[done], time.Now(), most)
		if err != nil { // an alert that cannot be sent does not delay others
			no.alerts++
			no.err = errors.Join(no.err, err)
			continue
		}
		if u.Scheme != "udp" {
			message = append(fmt.Appendf(nil, "%d ", len(message)), message...) // octet counting (RFC 6587, 3.4.1; RFC 5425, 4.3)
		}
		if _, err = conn.Write(message); err != nil {
			_ = conn.Close() // the write's error is reported
			return done, fmt.Errorf("syslog on %s: after %d of %d messages: %w", u.Host, done, len(items), err)
		}
	}
	if no.err != nil {
		errs = append(errs, no)
	}
	if err := errors.Join(append(errs, conn.Close())...); err != nil {
		return len(items), fmt.Errorf("syslog on %s: %w", u.Host, err)
	}
	return len(items), nil
}

// message is one alert in RFC 5424 format. Its text is the item as JSON; beyond most bytes (0: no limit) reasons are
// omitted, weakest first.
func (s *Sender) message(i *Item, now time.Time, most int) ([]byte, error) {
	severity := map[string]int{"critical": 2, "high": 3, "medium": 4}[i.Severity]
	item := *i
	for {
		text, err := encode(&item)
		if err != nil {
			return nil, err
		}
		b := fmt.Appendf(nil, "<%d>1 %s %s dwell %d alert - ", facility*8+cmp.Or(severity, 5), now.UTC().Format("2006-01-02T15:04:05.000Z"), cmp.Or(ascii(s.o.Hostname), "-"), os.Getpid())
		b = append(b, text...)
		switch {
		case most == 0 || len(b) <= most:
			return b, nil
		case len(item.Reasons) > 0:
			item.Reasons = item.Reasons[:len(item.Reasons)-1]
		case item.Link != "" || len(item.Techniques) > 0:
			item.Link, item.Techniques = "", nil
		default:
			return nil, fmt.Errorf("the alert is longer than the %d bytes of a datagram: use tcp or tls", most)
		}
	}
}

// ascii keeps what a header field may contain: printable characters, at most 255.
func ascii(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 255)]
}
