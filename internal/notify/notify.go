// Package notify sends the alerts of a hunt to a webhook and to a syslog server, if configured.
package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"dwell/internal/hunt"
	"dwell/internal/store"
)

// Options are where alerts go.
type Options struct {
	// Webhook is a URL that accepts a POST, empty for none. It may contain a secret, like Token: neither appears in
	// errors.
	Webhook string
	// Token, if set, is sent as Authorization: Bearer.
	Token string
	// Syslog is udp://host:port, tcp://host:port or tls://host:port, empty for none.
	Syslog string
	// CAFile has the trusted authorities, empty for the system's.
	CAFile string
	// Console is the address of Security Onion's console, for links.
	Console string
	// Hostname is this host's name in syslog, "-" if empty.
	Hostname string

	// wait is the pause before the first retry, for tests.
	wait time.Duration
}

// Item is an alert as sent.
type Item struct {
	ID      string `json:"id"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Severity is low to critical, Score 0 to 1.
	Severity string  `json:"severity"`
	Score    float64 `json:"score"`
	// Subject is the id of the campaign or finding, Hosts and Findings their numbers.
	Subject  string `json:"subject,omitempty"`
	Hosts    int64  `json:"hosts,omitempty"`
	Findings int64  `json:"findings,omitempty"`
	Campaign string `json:"campaign,omitempty"`
	// Source and Destination are those of the strongest finding.
	Source      string    `json:"source,omitempty"`
	Destination string    `json:"destination"`
	Indicators  []string  `json:"indicators"`
	Techniques  []string  `json:"techniques,omitempty"`
	Reasons     []string  `json:"reasons"`
	First       hunt.Time `json:"first"`
	Last        hunt.Time `json:"last"`
	Link        string    `json:"link,omitempty"`
}

// Body is what the webhook receives.
type Body struct {
	Source string        `json:"source"`
	HuntID string        `json:"hunt_id"`
	Window hunt.TimeSpan `json:"window"`
	Alerts []Item        `json:"alerts"`
}

// Sender sends alerts.
type Sender struct {
	o   Options
	tls *tls.Config
}

// New checks the receivers; nil if there are none.
func New(o Options) (*Sender, error) {
	if o.Webhook == "" && o.Syslog == "" {
		return nil, nil //nolint:nilnil // nothing to send to is no error
	}
	s := &Sender{o: o, tls: &tls.Config{MinVersion: tls.VersionTLS12}}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("alerts.ca_file: %w", err)
		}
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("alerts.ca_file: %s contains no PEM certificate", o.CAFile)
		}
	}
	return s, errors.Join(CheckWebhook(o.Webhook), CheckSyslog(o.Syslog))
}

// The receivers' names in the queue's files.
const (
	webhook = "webhook"
	syslog  = "syslog"
)

// receivers are those configured.
func (s *Sender) receivers() (out []string) {
	if s.o.Webhook != "" {
		out = append(out, webhook)
	}
	if s.o.Syslog != "" {
		out = append(out, syslog)
	}
	return out
}

// body is what receivers get of one hunt.
func (s *Sender) body(alerts []store.Alert) Body {
	body := Body{Source: hunt.Module, HuntID: alerts[0].Dwell.HuntID, Window: alerts[0].Dwell.Window}
	for i := range alerts {
		body.Alerts = append(body.Alerts, s.item(&alerts[i]))
	}
	return body
}

// send sends a body to one receiver. done is how many of its alerts need no retry, also with an error for the rest:
// those that arrived, and those that the receiver will never accept, which a refused error names.
func (s *Sender) send(ctx context.Context, receiver string, body *Body) (done int, err error) {
	if receiver == syslog {
		return s.log(ctx, body.Alerts)
	}
	err = s.post(ctx, body)
	var no refused
	if err == nil || errors.As(err, &no) {
		done = len(body.Alerts)
	}
	return done, err
}

// refused is why a receiver will never accept alerts.
type refused struct {
	alerts int
	err    error
}

func (r refused) Error() string { return r.err.Error() }
func (r refused) Unwrap() error { return r.err }

func (s *Sender) item(a *store.Alert) Item {
	d := &a.Dwell
	i := Item{ID: a.Event.ID, Message: a.Message, Severity: a.Event.SeverityLabel, Score: d.Score, Destination: hunt.SideOf(&a.Finding).String(),
		Indicators: d.Indicators, Techniques: a.Threat.Techniques(), Reasons: d.Reasons, First: a.Event.Start, Last: a.Event.End, Reason: "summary"}
	if a.Source.IP.IsValid() {
		i.Source = a.Source.IP.String()
	}
	if x := d.Alert; x != nil {
		i.Reason, i.Subject, i.Hosts, i.Findings = x.Reason, x.Subject, x.Hosts, x.Findings
	}
	if d.Campaign != nil {
		i.Campaign = d.Campaign.Name
	}
	if s.o.Console != "" && d.Links != nil {
		i.Link = d.Links.SOCHunt
	}
	return i
}

// encode writes JSON on one line.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode an alert: %w", err)
	}
	return b, nil
}
