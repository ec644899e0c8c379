package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated pages")

// TestReferenceIsUpToDate holds docs/configuration.md to the table of keys; -update writes it.
func TestReferenceIsUpToDate(t *testing.T) {
	const page = "../../docs/configuration.md"
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(reference()), 0o644))
	}
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	require.True(t, reference() == string(b), "docs/configuration.md is stale: make generate")
}

// reference is the page docs/configuration.md, made from Keys.
func reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Made from internal/config by "make generate"; do not edit. -->

A flag wins over the environment, the environment over the file, the file over the default. ` + "`dwell config`" + ` shows what is in
force and where it came from. The file is the one of ` + "`--config`" + ` (or ` + "`DWELL_CONFIG`" + `), else ` + "`dwell/config.yaml`" + ` in the user's configuration
directory, else ` + "`/etc/dwell/config.yaml`" + `. Unknown keys are refused, and so are durations without a unit; days are written ` + "`7d`" + `. Any key but a
secret can be set for one run with ` + "`--set KEY=VALUE`" + `. An empty environment variable counts as not set.

`)
	section := ""
	for _, k := range Keys() {
		if s, _, _ := strings.Cut(k.Name, "."); s != section {
			section = s
			fmt.Fprintf(&b, "## %s\n| key | environment | default | about |\n|---|---|---|---|\n", section)
		}
		text := k.About
		if k.Secret {
			text += " A secret: never a flag, never shown."
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", k.Name, k.Env(), defaultText(k.Default), strings.ReplaceAll(text, "|", `\|`))
		if next := index(k.Name) + 1; next == len(Keys()) || !strings.HasPrefix(Keys()[next].Name, section+".") {
			b.WriteString("\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func index(name string) int {
	for i, k := range Keys() {
		if k.Name == name {
			return i
		}
	}
	return -1
}

func defaultText(v any) string {
	if s := display(v); s != "" {
		return "`" + s + "`"
	}
	return "none"
}
