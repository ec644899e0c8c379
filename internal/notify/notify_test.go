package notify

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/store"
)

// alerts are two: of a campaign, and of a single finding with a name chosen by an attacker.
func alerts() []store.Alert {
	a := store.Alert{AlertFields: hunt.AlertFields{Message: "campaign evil.example, 3 hosts: beacon; seen for the first time"}}
	a.Event = hunt.Event{ID: "a1", SeverityLabel: "critical"}
	a.Source.IP, a.Destination = netip.MustParseAddr("10.1.1.1"), hunt.Destination{IP: netip.MustParseAddr("203.0.113.7"), Port: 443, Domain: "evil.example"}
	a.Network = hunt.Network{Transport: "tcp", Protocol: "ssl"}
	a.Dwell = hunt.Dwell{HuntID: "h", Score: 0.9, Indicators: []string{hunt.Beacon}, Reasons: []string{"every 5m"}, Alert: &hunt.AlertOf{Subject: "c1", Reason: "new", Hosts: 3, Findings: 4},
		Campaign: &hunt.CampaignOf{Name: "evil.example"}, Links: &hunt.Links{SOCHunt: "https://console.example/#/hunt"}}
	a.Threat = hunt.ThreatOf(&a.Finding)
	b := a
	b.Event.ID, b.Event.SeverityLabel, b.Message, b.Dwell.Campaign = "a2", "high", "x\r\n<13>1 - forged - - - -", nil
	return []store.Alert{a, b}
}

// send sends alerts to every receiver, like the queue.
func send(t *testing.T, s *Sender, list []store.Alert) error {
	t.Helper()
	body := s.body(list)
	var errs []error
	for _, r := range s.receivers() {
		_, err := s.send(t.Context(), r, &body)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// authority writes the certificate of an httptest server to a file for Options.
func authority(t *testing.T, cert *x509.Certificate) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600))
	return file
}

// The webhook gets the alerts over verified TLS, with the token, and again if the server is busy.
func TestWebhookGetsWhatWasRaised(t *testing.T) {
	var asked atomic.Int32
	var got Body
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Get("Content-Type") != "application/json" || r.Method != http.MethodPost {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		b, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(b, &got) // What is wrong is not equal.
	}))
	defer server.Close()
	o := Options{Webhook: server.URL + "/hooks/T0K3N", Token: "s3cret", CAFile: authority(t, server.Certificate()), Console: "https://console.example", wait: time.Millisecond}
	s, err := New(o)
	require.NoError(t, err)
	require.NoError(t, send(t, s, alerts()))
	require.EqualValues(t, 2, asked.Load())
	require.Equal(t, "dwell", got.Source)
	require.Equal(t, "h", got.HuntID)
	require.Len(t, got.Alerts, 2)
	first := got.Alerts[0]
	require.Equal(t, []any{"a1", "new", "critical", "c1", int64(3), "evil.example", "10.1.1.1", "https://console.example/#/hunt"},
		[]any{first.ID, first.Reason, first.Severity, first.Subject, first.Hosts, first.Campaign, first.Source, first.Link})
	require.Contains(t, first.Techniques, "T1071.001 Web Protocols")

	// An unverifiable certificate is rejected, and no error contains a secret.
	o.CAFile = ""
	s, err = New(o)
	require.NoError(t, err)
	err = send(t, s, alerts())
	require.ErrorContains(t, err, "certificate")
	require.NotRegexp(t, "T0K3N|s3cret", err.Error())
	require.EqualValues(t, 2, asked.Load())
	o.CAFile, o.Token = authority(t, server.Certificate()), "wr0ng"
	s, err = New(o)
	require.NoError(t, err)
	err = send(t, s, alerts())
	require.ErrorContains(t, err, "answered 403")
	require.NotRegexp(t, "T0K3N|wr0ng", err.Error())
	require.EqualValues(t, 3, asked.Load(), "a refusal is not tried again")
	server.Close()
	err = send(t, s, alerts())
	require.Error(t, err)
	require.NotRegexp(t, "T0K3N|wr0ng", err.Error())
}

// A redirect would send the token and the findings to another server.
func TestWebhookDoesNotFollow(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	s, err := New(Options{Webhook: server.URL, Token: "s3cret", wait: time.Millisecond})
	require.NoError(t, err)
	require.ErrorContains(t, send(t, s, alerts()), "answered 307")
}

// form is RFC 5424's: priority, version, time, host, program, process, kind, no structured data, text.
var form = regexp.MustCompile(`^<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z sensor1 dwell \d+ alert - (\{.*\})$`)

func read(t *testing.T, message string) (priority string, i Item) {
	t.Helper()
	m := form.FindStringSubmatch(message)
	require.NotNil(t, m, "%q", message)
	require.NoError(t, json.Unmarshal([]byte(m[2]), &i))
	return m[1], i
}

// Octet counting over TCP and over verified TLS; a name with line breaks forges no message.
func TestSyslogOverStreams(t *testing.T) {
	web := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer web.Close()
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			if scheme == "tls" {
				listener = tls.NewListener(listener, &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12})
			}
			defer listener.Close()
			got := make(chan []byte, 2)
			serve := func() {
				conn, err := listener.Accept()
				if err != nil {
					got <- nil
					return
				}
				b, _ := io.ReadAll(conn)
				_ = conn.Close() // The test is over.
				got <- b
			}
			go serve()
			s, err := New(Options{Syslog: scheme + "://" + listener.Addr().String(), CAFile: authority(t, web.Certificate()), Hostname: "sensor1"})
			require.NoError(t, err)
			require.NoError(t, send(t, s, alerts()))
			r := bufio.NewReader(strings.NewReader(string(<-got)))
			for n, want := range []string{"34", "35"} { // security messages, critical and error
				length, err := r.ReadString(' ')
				require.NoError(t, err)
				var size int
				_, err = fmt.Sscan(length, &size)
				require.NoError(t, err)
				message := make([]byte, size)
				_, err = io.ReadFull(r, message)
				require.NoError(t, err)
				priority, item := read(t, string(message))
				require.Equal(t, want, priority)
				require.Equal(t, alerts()[n].Message, item.Message)
			}
			_, err = r.ReadByte()
			require.ErrorIs(t, err, io.EOF)
			if scheme == "tls" {
				go serve()
				s, err := New(Options{Syslog: "tls://" + listener.Addr().String()})
				require.NoError(t, err)
				require.ErrorContains(t, send(t, s, alerts()), "certificate")
				<-got
			}
		})
	}
}

// One datagram per alert, no longer than every receiver accepts; a longer one loses its weakest reasons.
func TestSyslogOverUDP(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer conn.Close()
	s, err := New(Options{Syslog: "udp://" + conn.LocalAddr().String(), Hostname: "sensor 1"})
	require.NoError(t, err)
	list := alerts()
	list[0].Dwell.Reasons = []string{"strongest", strings.Repeat("x", 3000)}
	require.NoError(t, send(t, s, list))
	b := make([]byte, 65536)
	for i := range list {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
		n, _, err := conn.ReadFrom(b)
		require.NoError(t, err)
		require.LessOrEqual(t, n, 2048)
		_, item := read(t, string(b[:n]))
		require.Equal(t, list[i].Event.ID, item.ID)
		if i == 0 {
			require.Equal(t, []string{"strongest"}, item.Reasons)
		}
	}
	list[0].Message = strings.Repeat("y", 4000)
	require.ErrorContains(t, send(t, s, list[:1]), "use tcp or tls")
}

func TestAddressesAreChecked(t *testing.T) {
	for address, wrong := range map[string]string{"": "", "https://a.example/b": "", "http://127.0.0.1:1/x": "", "http://localhost/": "", "http://a.example/": "use https", "ftp://a.example": "not an address", "nonsense": "not an address"} {
		if err := CheckWebhook(address); wrong == "" {
			require.NoError(t, err, address)
		} else {
			require.ErrorContains(t, err, wrong, address)
		}
	}
	for address, wrong := range map[string]bool{"": false, "tls://a.example:6514": false, "udp://[::1]:514": false, "tcp://a.example": true, "http://a.example:1": true, "a.example:514": true, "tls://a.example:1/x": true} {
		require.Equal(t, wrong, CheckSyslog(address) != nil, address)
	}
	s, err := New(Options{})
	require.NoError(t, err)
	require.Nil(t, s)
	_, err = New(Options{Syslog: "tls://a.example:1", CAFile: "/nowhere"})
	require.ErrorContains(t, err, "alerts.ca_file")
}
