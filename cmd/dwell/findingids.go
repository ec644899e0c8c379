package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/store"
)

// leastID is how many digits of an id name a finding, if no other begins like it.
const leastID = 6

// isIDPrefix says whether a text can be an id, or the beginning of one.
func isIDPrefix(s string) bool {
	return len(s) >= leastID && len(s) <= 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// isName says whether a text can be a server's name.
func isName(s string) bool {
	to, err := hunt.ParseSide(s)
	return err == nil && to.Name != "" && strings.Contains(strings.Trim(s, "."), ".") && !strings.ContainsAny(s, " >/=#*:")
}

// named refuses what cannot name a finding, before anybody is asked.
func named(arg string) error {
	if strings.Contains(arg, ">") {
		_, _, err := hunt.ParsePair(arg)
		if err != nil {
			return usageError{err}
		}
		return nil
	}
	if !isIDPrefix(strings.ToLower(strings.TrimSpace(arg))) {
		return usage("%q is neither the id of a finding (its first %d hexadecimal digits or more) nor a pair, as in 10.1.4.22>203.0.113.7", arg, leastID)
	}
	return nil
}

// identifyAll gives the stored findings that an argument names: one, or the members of a campaign by its id or the
// beginning of it.
func (a *app) identifyAll(ctx context.Context, st *store.Store, arg string) ([]hunt.Finding, error) {
	if id := strings.ToLower(strings.TrimSpace(arg)); isIDPrefix(id) {
		list, err := st.Findings(ctx, store.Filter{Campaign: id})
		if err != nil {
			return nil, missingTemplates(err)
		}
		if len(list.Findings) > 0 {
			return list.Findings, nil
		}
	}
	f, err := a.identify(ctx, st, arg)
	if err != nil {
		return nil, err
	}
	return []hunt.Finding{*f}, nil
}

// identify gives the stored finding that an argument names: its id, a beginning of it that no other has, or its pair,
// as in 10.1.4.22>203.0.113.7, with or without the port.
func (a *app) identify(ctx context.Context, st *store.Store, arg string) (*hunt.Finding, error) {
	arg = strings.ToLower(strings.TrimSpace(arg))
	if err := named(arg); err != nil {
		return nil, err
	}
	var filter store.Filter
	is := func(*hunt.Finding) bool { return true }
	switch {
	case strings.Contains(arg, ">"):
		from, to, err := hunt.ParsePair(arg)
		if err != nil {
			return nil, usageError{err}
		}
		filter.Source = netip.PrefixFrom(from, from.BitLen())
		is = func(f *hunt.Finding) bool {
			return f.Dwell.Pair == arg || slices.Contains(f.Dwell.Also, arg) || to.Is(f)
		}
	default:
		filter.FindingID = arg
	}
	list, err := st.Findings(ctx, filter)
	if err != nil {
		return nil, missingTemplates(err)
	}
	found := list.Findings[:0:0]
	for i := range list.Findings {
		if f := &list.Findings[i]; is(f) {
			if f.Dwell.Pair == arg {
				return f, nil // the very pair
			}
			found = append(found, *f)
		}
	}
	switch len(found) {
	case 0:
		return nil, hint(fmt.Errorf("there is no finding %s", arg), "`dwell findings` lists the ids")
	case 1:
		return &found[0], nil
	}
	lines := []string{fmt.Sprintf("%s matches %s: give more of the id", arg, hunt.Many(len(found), "finding"))}
	for i, id := range output.Short(found) {
		lines = append(lines, id+"  "+found[i].Dwell.Pair)
	}
	return nil, usage("%s", strings.Join(lines, "\n"))
}
