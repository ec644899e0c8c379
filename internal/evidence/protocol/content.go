package protocol

import (
	"fmt"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/scoring"
)

// programs looks for executable files. Files records include HTTP's content, so HTTP's own response types count only
// without them.
func (v *view) programs() {
	for _, c := range v.Files {
		if what := hunt.Program(c.MIME); what != "" {
			v.odd(evidence.Executable, "%s sent: %s (%s, %s)", what, c.MIME, hunt.Many(c.Count, "file"), hunt.Size(c.Bytes))
			return
		}
	}
	for _, c := range v.Values[hunt.BodyTypes] {
		if what := hunt.Program(c.Value); what != "" {
			v.odd(evidence.Executable, "%s received: %s (%s)", what, c.Value, hunt.Many(c.Count, "response"))
			return
		}
	}
}

// unanswered judges unanswered connections: a server that is gone, or not yet running, does not answer. That is a sign
// but excludes nothing.
func (v *view) unanswered() {
	const enough, nine, ten = 10, 9, 10
	all := v.s.Finding.Network.Connections
	silent, refused := max(v.s.Silent, v.Silent), max(v.s.Refused, v.Refused)   // older history has no states
	if f := v.s.Finding; f.Network.Transport == "icmp" && f.Server.Bytes == 0 { // Zeek has no state for an unanswered ping
		silent = all
	}
	n := silent + refused
	if n >= all && n > 0 {
		v.s.AtMost(scoring.Medium, "medium at most: no connection was answered, and anyone can send packets with this host's address")
	}
	if all < enough || ten*n < nine*all {
		return
	}
	what, more := "no answer from the server", ""
	if refused > silent {
		what = "connection refused by the server"
	}
	if silent > 0 && refused > 0 {
		more = fmt.Sprintf("; %s without an answer, %s refused", hunt.Count(silent), hunt.Count(refused))
	}
	v.odd(evidence.Unanswered, "%s (%s of %s connections%s)", what, hunt.Count(silent+refused), hunt.Count(all), more)
}
