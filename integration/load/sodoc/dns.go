package sodoc

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// split reads the name from its column once per record. A name that is not a string counts as none.
func (v *values) split(query int) {
	v.query, v.labels = "", labels{}
	if raw := v.raw[query]; raw != nil && json.Unmarshal(raw, &v.query) == nil {
		v.labels = cut(v.query)
	}
}

// dns adds the fields that Security Onion derives from the name by its last two labels. Only names with a dot have
// them.
func (p *plan) dns() {
	p.community()
	query := p.slots["query"]
	p.field("dns.query.length", func(b []byte, v *values) []byte {
		if v.raw[query] == nil {
			return b
		}
		return strconv.AppendInt(b, int64(utf8.RuneCountInString(v.query)), 10)
	})
	text := func(path string, part func(labels) string) {
		p.field("dns."+path, func(b []byte, v *values) []byte {
			if s := part(v.labels); s != "" {
				b = appendText(b, s)
			}
			return b
		})
	}
	length := func(path string, part func(labels) string) {
		p.field("dns."+path, func(b []byte, v *values) []byte {
			if s := part(v.labels); s != "" {
				b = strconv.AppendInt(b, int64(utf8.RuneCountInString(s)), 10)
			}
			return b
		})
	}
	text("top_level_domain", func(l labels) string { return l.top })
	text("parent_domain", func(l labels) string { return l.parent })
	text("subdomain", func(l labels) string { return l.sub })
	text("highest_registered_domain", func(l labels) string {
		if l.parent == "" || l.top == "" {
			return ""
		}
		return l.parent + "." + l.top
	})
	length("subdomain_length", func(l labels) string { return l.sub })
	length("parent_domain_length", func(l labels) string { return l.parent })
}

// labels are the parts of a name: sub.parent.top.
type labels struct{ sub, parent, top string }

func cut(name string) labels {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return labels{}
	}
	l := labels{top: name[i+1:]}
	rest := name[:i]
	if i = strings.LastIndexByte(rest, '.'); i >= 0 {
		l.sub, l.parent = rest[:i], rest[i+1:]
	} else {
		l.parent = rest
	}
	return l
}
