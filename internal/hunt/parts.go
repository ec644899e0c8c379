package hunt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Parts are the values from which the final score is computed.
type Parts struct {
	Beacon         float64 `json:"beacon"`
	LongConnection float64 `json:"long_connection"`
	Strobe         float64 `json:"strobe"`
	DNSTunnel      float64 `json:"dns_tunnel"`
	Presence       float64 `json:"presence"`
	Listed         float64 `json:"listed"`
	Anomaly        float64 `json:"anomaly"`
}

// String lists what counts, the strongest first; what is zero is left out.
func (p Parts) String() string {
	type part struct {
		name  string
		value float64
	}
	all := []part{{Beacon, p.Beacon}, {LongConnection, p.LongConnection}, {Strobe, p.Strobe}, {DNSTunnel, p.DNSTunnel}, {Presence, p.Presence}, {OnList, p.Listed}, {Anomaly, p.Anomaly}}
	slices.SortStableFunc(all, func(a, b part) int { return cmp.Compare(b.value, a.value) })
	var out []string
	for _, one := range all {
		if one.value >= 0.0005 {
			out = append(out, fmt.Sprintf("%s %.3f", strings.ReplaceAll(one.name, "_", " "), one.value))
		}
	}
	if out == nil {
		return "no indicator"
	}
	return strings.ReplaceAll(strings.Join(out, ", "), "dns", "DNS")
}
