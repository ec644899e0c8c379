package output

import (
	"fmt"
	"strings"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// shortReasons is the number of reasons per entry of the table.
const shortReasons = 3

// ShortReasons are the three strongest reasons in short form: first a benign explanation, because it decides, then the
// modifiers.
func ShortReasons(f *hunt.Finding) []string {
	var out []string
	if why := Explanation(f.Dwell.Explained); why != "" {
		if e := f.Dwell.Evidence; e != nil && e.Service != nil {
			why += " (" + e.Service.Name + ")"
		}
		out = append(out, why)
	}
	if o := f.Dwell.Connection.Open; o != nil {
		out = append(out, o.String())
	}
	for _, also := range f.Dwell.Indicators[min(1, len(f.Dwell.Indicators)):] {
		if len(out) < shortReasons-1 {
			out = append(out, "also "+strings.ReplaceAll(also, "_", " "))
		}
	}
	for i := range f.Dwell.Modifiers {
		if len(out) == shortReasons {
			break
		}
		if m := &f.Dwell.Modifiers[i]; m.Value != 0 && !(m.Name == "rare" && joined(f)) {
			out = append(out, shortReason(m.Name, f))
		}
	}
	return out
}

// joined says that the finding's campaign has other hosts with the same destination: it is not this host's alone, though
// only one of them may count as active.
func joined(f *hunt.Finding) bool {
	c := f.Dwell.Campaign
	return c != nil && c.Hosts > 1 && sharesDestination(c.Kind) && c.Kind != "network"
}

// Explanation is the strength of a benign explanation for display; empty for none.
func Explanation(explained string) string {
	return map[string]string{"weak": "possibly benign", "strong": "likely benign"}[explained]
}

func shortReason(name string, f *hunt.Finding) string {
	e := f.Dwell.Evidence
	switch {
	case (name == "rare" || name == "common") && e != nil && e.Prevalence != nil:
		if e.Prevalence.Hosts <= 1 {
			return "only this host"
		}
		return fmt.Sprintf("%d of %d hosts", e.Prevalence.Hosts, e.Prevalence.Active)
	case (name == "new" || name == "known") && e != nil && e.FirstSeen != nil:
		if e.FirstSeen.Days == 0 {
			return "first seen today"
		}
		return fmt.Sprintf("first seen %dd ago", e.FirstSeen.Days)
	case name == "intel" && e != nil && len(e.Intel) > 0:
		return "intel: " + e.Intel[0].List
	case name == "rare_fingerprint" && e != nil && e.Protocol != nil && len(e.Protocol.JA4) > 0:
		return "JA4 unique"
	}
	if t := evidence.TermOf(name); t != nil {
		return t.Short
	}
	return strings.ReplaceAll(name, "_", " ")
}
