package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/store"
)

// addressOf parses the address of an internal host, or looks it up by a name or user in stored findings.
func (a *app) addressOf(ctx context.Context, settings *config.Loaded, text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err == nil {
		return addr.Unmap().WithZone(""), nil
	}
	if len(settings.Elasticsearch.Addresses) == 0 {
		return addr, usage("%q is not an address, and without Elasticsearch no finding is stored that knows the name", text)
	}
	st, err := a.openStore(settings)
	if err != nil {
		return addr, err
	}
	named := &findingsFlags{host: text}
	var found []netip.Addr
	_, err = st.Findings(ctx, store.Filter{Where: func(x *hunt.Finding) bool {
		if named.ofHost(x) && !slices.Contains(found, x.Dwell.InternalIP) {
			found = append(found, x.Dwell.InternalIP)
		}
		return false
	}})
	switch {
	case err != nil:
		return addr, missingTemplates(err)
	case len(found) == 0:
		return addr, hint(usage("%q is neither an address nor the name of a host or user in a stored finding", text), "give the host's address")
	case len(found) > 1:
		return addr, hint(usage("%s is the name of %s: %s", text, hunt.Many(len(found), "host"), some(found)), "give the address")
	}
	a.say("dwell: %s is %s", text, found[0])
	return found[0], nil
}

// leastID is the minimum length of an id prefix.
const leastID = 6

// isIDPrefix reports whether a text can be an id or a prefix of one.
func isIDPrefix(s string) bool {
	return len(s) >= leastID && len(s) <= 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// notHunt is the error for what cannot name a hunt.
func notHunt(id string) error {
	return usage("--hunt %q is not the id of a hunt, or its first %d hexadecimal digits or more: `dwell status` lists them", id, leastID)
}

// huntOf completes the id of a stored hunt; empty stays empty.
func huntOf(ctx context.Context, st *store.Store, begun string) (string, error) {
	if begun == "" {
		return "", nil
	}
	hunts, err := st.Hunts(ctx, 0)
	if err != nil {
		return "", missingTemplates(err)
	}
	h, err := beginning(hunts, begun)
	switch {
	case err != nil:
		return "", err
	case h == nil:
		return "", codeError{exitIncomplete, "no hunt " + begun + " is stored: `dwell status` lists them"}
	}
	return h.Dwell.HuntID, nil
}

// beginning returns the hunt with this id prefix, of several revisions the first; nil for none.
func beginning(hunts []hunt.Document, begun string) (of *hunt.Document, err error) {
	for i := range hunts {
		h := &hunts[i]
		if !strings.HasPrefix(h.Dwell.HuntID, begun) {
			continue
		}
		if of != nil && of.Dwell.HuntID != h.Dwell.HuntID {
			return nil, usage("%s names several hunts: give more of the id", begun)
		}
		if of == nil {
			of = h
		}
	}
	return of, nil
}

// isName reports whether a text can be a server's name.
func isName(s string) bool {
	to, err := hunt.ParseSide(s)
	return err == nil && to.Name != "" && strings.Contains(strings.Trim(s, "."), ".") && !strings.ContainsAny(s, " >/=#*:")
}

// named rejects what cannot name a finding, before the cluster is asked.
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

// storeOf opens the store that knows the finding of an id. Hunts over log files print ids, too, but store nothing.
func (a *app) storeOf(settings *config.Loaded, id string) (*store.Store, error) {
	if len(settings.Elasticsearch.Addresses) == 0 {
		return nil, hint(usage("no finding %s is stored: there is no Elasticsearch, and a hunt over log files stores nothing", id),
			"name the finding's host and destination instead, as in 10.1.4.22 203.0.113.7:443")
	}
	return a.openStore(settings)
}

// identifyAll returns the stored findings that an argument names: one, or the members of a campaign.
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

// identify returns the stored finding that an argument names: a unique id prefix, or a pair as in 10.1.4.22>203.0.113.7,
// with or without the port.
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
