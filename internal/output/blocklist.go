package output

import (
	"bufio"
	"io"
	"slices"

	"dwell/internal/hunt"
)

// Blocked is a list for firewalls and resolvers.
type Blocked struct {
	// Lines are names and addresses, sorted, each once.
	Lines []string
	// Left says why a finding is not on the list, by pair.
	Left []string
}

// BlockList lists the destinations of escalated findings only. Of a named destination it takes the name, not the
// addresses, which others share; of a network, the addresses seen. Addresses of known services, and private, loopback,
// multicast and link-local ones, are left out.
func BlockList(findings []hunt.Finding) (b Blocked) {
	for i := range findings {
		f := &findings[i]
		switch {
		case f.Dwell.Disposition != hunt.Escalated:
			continue
		case !confirmed(f):
			b.Left = append(b.Left, Clean(f.Dwell.Pair)+": it is escalated, but safelisted")
			continue
		}
		o := observablesOf(f)
		lines := append(o.Names, o.Below...)
		for _, a := range o.Addresses {
			if a != f.Dwell.InternalIP && !a.IsPrivate() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast() && !a.IsUnspecified() {
				lines = append(lines, a.String())
			}
		}
		switch {
		case o.Shared != "" && len(o.Names)+len(o.Below) == 0:
			b.Left = append(b.Left, Clean(f.Dwell.Pair)+": its addresses belong to "+o.Shared+", which others use too")
		case len(lines) == 0:
			b.Left = append(b.Left, Clean(f.Dwell.Pair)+": it has neither a name nor an external address to block")
		default:
			b.Lines = append(b.Lines, lines...)
		}
	}
	slices.Sort(b.Lines)
	b.Lines = slices.Compact(b.Lines)
	return b
}

func writeBlockList(w io.Writer, findings []hunt.Finding) error {
	b := bufio.NewWriter(w)
	for _, l := range BlockList(findings).Lines {
		b.WriteString(l + "\n")
	}
	return b.Flush()
}
