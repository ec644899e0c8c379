package protocol

import (
	"fmt"
	"strings"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// maxHits is the maximum number of indicators in a finding.
const maxHits = 10

// listed adds the hits of Zeek's own intelligence framework.
func (v *view) listed() {
	e := v.s.Finding.Dwell.Evidence
	for i, x := range v.Intel {
		list := "zeek.intel"
		if len(x.Sources) > 0 {
			list += ": " + strings.Join(of(x.Sources), ", ")
		}
		if len(e.Intel) < maxHits {
			e.Intel = append(e.Intel, hunt.IntelHit{Indicator: x.Indicator, Type: strings.ToLower(strings.TrimPrefix(x.Type, "Intel::")), List: list})
		}
		if i > 0 {
			continue
		}
		reason := fmt.Sprintf("Zeek intel hit: %s (%s; %s)", x.Indicator, hunt.Many(x.Count, "time"), list)
		if more := len(v.Intel) - 1; more > 0 {
			reason += fmt.Sprintf(" and %s more", hunt.Count(more))
		}
		v.s.Modify(evidence.Intel, reason)
	}
}
