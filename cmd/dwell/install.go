package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"dwell/internal/atomicfile"
	"dwell/internal/config"
	"dwell/internal/output"
	"dwell/internal/store"
	"dwell/so-config"
)

func newInstall(a *app) *cobra.Command {
	var f installFlags
	c := &cobra.Command{
		Use:   "install",
		Short: "Put dwell's templates and dashboards into place, once, as an administrator",
		Long: `Put the component and index templates of dwell's data streams, its lifecycle policy and its role into the cluster, and the
dashboards into Kibana where kibana.url is set. It can be run again at any time: what is
in place stays, what is older is upgraded, what is newer is kept, and each step says so.

It needs an administrator's credentials; hunting does not: --create-key makes an API key that may read Zeek's
connections, write findings, and nothing else.`,
		Example: `  DWELL_ELASTICSEARCH_USERNAME=so_elastic DWELL_ELASTICSEARCH_PASSWORD_FILE=secret dwell install --create-key /etc/dwell/api_key
  dwell install --dry-run          print each request that would be sent
  dwell install --print files      write the templates, Kibana objects, queries and units as files
  dwell install --remove --yes     undo`,
		RunE: func(c *cobra.Command, _ []string) error { return a.install(c.Context(), &f) },
	}
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "send nothing that changes anything; print each request")
	c.Flags().StringVar(&f.print, "print", "", "write all files (templates, role, Kibana objects, queries, units, sample configuration) into this new `folder` instead")
	c.Flags().BoolVar(&f.remove, "remove", false, "take dwell's role, keys and policies out again; what was found stays, and with it the templates that it needs")
	c.Flags().BoolVar(&f.yes, "yes", false, "do not ask before --remove")
	c.Flags().StringVar(&f.keyFile, "create-key", "", "make a least-privilege API key and write it to this new `file` (mode 0600)")
	return c
}

// installFlags choose what install does.
type installFlags struct {
	dryRun, remove, yes bool
	print, keyFile      string
}

func (a *app) install(ctx context.Context, f *installFlags) error {
	if f.print != "" {
		return a.printFiles(f.print)
	}
	keyFile := f.keyFile
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	client, err := a.client(settings)
	if err != nil {
		return err
	}
	installer := store.NewInstaller(client)
	plan, carryOut := installer.Plan, installer.Apply
	if f.remove {
		plan = func(ctx context.Context) ([]store.Step, error) { return installer.PlanRemove(ctx, false) }
		carryOut = func(ctx context.Context) ([]store.Step, error) { return installer.Remove(ctx, false) }
	}
	dashboards := a.dashboards(settings)
	if f.dryRun {
		if err := a.dryRun(ctx, plan); err != nil || f.remove {
			return err
		}
		return dashboards(ctx, true)
	}
	if f.remove && !f.yes {
		return usage("--remove takes dwell's role, keys and policies out of the cluster: say --yes, or --dry-run to see each request")
	}
	if keyFile != "" {
		if _, err := os.Stat(keyFile); err == nil {
			return usage("%s exists already: a key is never written over", keyFile)
		}
	}
	steps, err := carryOut(ctx)
	for _, s := range steps {
		fmt.Fprintln(a.Out, output.Clean(s.String()))
	}
	if err != nil || f.remove {
		return err
	}
	if err := dashboards(ctx, false); err != nil || keyFile == "" {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	key, err := installer.CreateAPIKey(ctx, "dwell on "+host)
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(keyFile, 0o600, []byte(key.Encoded+"\n")); err != nil {
		return fmt.Errorf("the API key %s was made but could not be kept; delete it: %w", key.ID, err)
	}
	fmt.Fprintf(a.Out, "create API key %s, written to %s\n", key.ID, output.Clean(keyFile))
	return nil
}

// printFiles writes every file into a new directory; the program itself is among the Salt state's files.
func (a *app) printFiles(dir string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program for the Salt state: %w", err)
	}
	err = soconfig.Print(dir, program)
	if errors.Is(err, fs.ErrExist) {
		return usage("%s exists already and is left as it is: name a new directory, or remove this one first", output.Clean(dir))
	}
	if err != nil {
		return err
	}
	a.say("dwell: the files are in %s; README.md there says which goes where", output.Clean(dir))
	return nil
}

// dashboards gives what puts the Kibana objects where kibana.url says, or says that they are left out.
func (a *app) dashboards(settings *config.Loaded) func(ctx context.Context, dry bool) error {
	k, e := settings.Kibana, settings.Elasticsearch
	return func(ctx context.Context, dry bool) error {
		if k.URL == "" {
			fmt.Fprintln(a.Out, "skip Kibana objects (kibana.url is not set; `dwell install --print DIR` writes them for an import by hand)")
			return nil
		}
		if dry {
			fmt.Fprintf(a.Out, "import Kibana objects\nPOST %s\n", output.Clean(k.URL+store.KibanaImportPath))
			return nil
		}
		n, err := store.ImportKibana(ctx, store.KibanaOptions{URL: k.URL, CAFile: k.CAFile, APIKey: e.APIKey, Username: e.Username, Password: e.Password})
		if err != nil {
			return hint(err, "the templates are in place; run `dwell install` again when Kibana answers")
		}
		fmt.Fprintf(a.Out, "import %d Kibana objects, over those of the same ids\n", n)
		return nil
	}
}

func (a *app) dryRun(ctx context.Context, plan func(context.Context) ([]store.Step, error)) error {
	steps, err := plan(ctx)
	if err != nil {
		return err
	}
	for _, s := range steps {
		fmt.Fprintln(a.Out, output.Clean(s.String()))
		if s.Request.Method != "" {
			fmt.Fprintf(a.Out, "%s %s\n%s\n", s.Request.Method, s.Request.Path, s.Request.Body)
		}
	}
	return nil
}
