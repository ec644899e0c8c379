// Package host identifies the host behind an internal address (step 4 of the hunt).
package host

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// Judge adds the host's identity to each finding. It changes no score.
type Judge struct{}

var _ evidence.Judge = Judge{}

// Revision implements [evidence.Judge]: the program's version determines the rules.
func (Judge) Revision() string { return "" }

// few is the maximum number of texts of a kind per finding.
const few = 5

// Judge implements [evidence.Judge]: it looks up the internal addresses of all subjects at once.
func (Judge) Judge(ctx context.Context, h *evidence.Hunt, subjects []*evidence.Candidate) (hunt.Remarks, error) {
	if h.Source.Hosts == nil {
		return hunt.Remarks{}, nil
	}
	var addrs []netip.Addr
	for _, s := range subjects {
		if a := s.Finding.Dwell.InternalIP; a.IsValid() {
			addrs = append(addrs, a)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	hosts, remarks, err := h.Source.Hosts(ctx, h.Request, slices.Compact(addrs), false)
	if err != nil {
		if ctx.Err() != nil {
			return remarks, ctx.Err()
		}
		remarks.Gaps = append(remarks.Gaps, hunt.Note{What: "the hosts of the findings could not be identified: " + err.Error(),
			Hint: "`dwell host ADDRESS` tries again for one"})
		return remarks, nil
	}
	for _, s := range subjects {
		if m := hosts[s.Finding.Dwell.InternalIP]; m != nil {
			s.Finding.Dwell.Evidence.Host = Compact(m)
		}
	}
	return remarks, nil
}

// Compact is the part of a host's data stored in a finding.
func Compact(m *hunt.HostLogs) *hunt.HostEvidence {
	e := &hunt.HostEvidence{Names: texts(m.Names), MAC: texts(m.MACs), OS: Systems(m), Users: texts(m.Users), Software: texts(m.Software)}
	if m.AlertCount >= 0 {
		e.Alerts = &m.AlertCount
	}
	return e
}

// texts are the first few distinct ones, ignoring case.
func texts(list []hunt.LogText) []string {
	var out []string
	for _, s := range list {
		if !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, s.Text) }) && len(out) < few {
			out = append(out, s.Text)
		}
	}
	return out
}

// systems are parts of user agents and software that reveal the operating system, most specific first.
var systems = []struct{ part, name string }{
	{"Windows NT 10.0", "Windows 10 or later"}, {"Windows NT 6.3", "Windows 8.1"}, {"Windows NT 6.2", "Windows 8"}, {"Windows NT 6.1", "Windows 7"},
	{"Windows NT 6.0", "Windows Vista"}, {"Windows NT 5", "Windows XP or 2003"}, {"Microsoft-CryptoAPI/10", "Windows 10 or later"},
	{"Microsoft-CryptoAPI/6.1", "Windows 7"}, {"Microsoft-CryptoAPI", "Windows"}, {"Microsoft-WNS", "Windows"}, {"Windows-Update-Agent", "Windows"},
	{"Microsoft BITS", "Windows"}, {"Microsoft NCSI", "Windows"}, {"WindowsPowerShell", "Windows"}, {"Microsoft-WebDAV-MiniRedir/10", "Windows 10 or later"}, {"Microsoft-", "Windows"}, {"Windows", "Windows"},
	{"iPhone OS", "iOS"}, {"iPad", "iOS"}, {"CPU OS ", "iOS"}, {"Darwin/", "macOS or iOS"}, {"Mac OS X", "macOS"}, {"Macintosh", "macOS"},
	{"Android", "Android"}, {"Dalvik/", "Android"}, {"CrOS", "ChromeOS"}, {"Ubuntu", "Ubuntu Linux"}, {"Debian", "Debian Linux"},
	{"Red Hat", "Red Hat Linux"}, {"Fedora", "Fedora Linux"}, {"CentOS", "CentOS Linux"}, {"X11; Linux", "Linux"}, {"Linux", "Linux"},
	{"FreeBSD", "FreeBSD"},
}

// Systems are the operating systems in a host's software and user agents, most frequent first. Several may mean a
// proxy, address translation, virtual machines or a false claim.
func Systems(m *hunt.HostLogs) []string {
	count := map[string]int64{}
	for _, list := range [][]hunt.LogText{m.Software, m.Agents} {
		for _, s := range list {
			if strings.HasSuffix(s.By, "SERVER") && !strings.HasPrefix(s.By, "HTTP") && !strings.HasPrefix(s.By, "SSH") {
				continue
			}
			for _, o := range systems {
				if strings.Contains(s.Text, o.part) {
					count[o.name] += s.Count
					break
				}
			}
		}
	}
	var all []hunt.LogText
	for name, n := range count {
		if name == "Windows" && len(count) > 1 && slices.ContainsFunc(systems, func(o struct{ part, name string }) bool {
			return count[o.name] > 0 && o.name != "Windows" && strings.HasPrefix(o.name, "Windows")
		}) {
			continue // a version is known
		}
		all = append(all, hunt.LogText{Text: name, Count: n})
	}
	return texts(hunt.SortLogTexts(all))
}
