package kibana

import (
	"strconv"
	"strings"
)

// kql is the panel's filter in KQL.
func (p *Panel) kql() string {
	parts := []string{kqlTerm("event.dataset", p.Dataset)}
	for _, c := range p.Where {
		part := kqlTerm(c.Field, c.Value)
		if c.AtLeast {
			part = c.Field + " >= " + c.Value
		}
		if c.Not {
			part = "not " + part
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " and ")
}

func kqlTerm(field, value string) string { return field + ": " + strconv.Quote(value) }
