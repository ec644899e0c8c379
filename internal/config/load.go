package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// EnvPrefix starts every environment variable that dwell reads.
const EnvPrefix = "DWELL_"

// Options are the sources of settings.
type Options struct {
	// File is the configuration file; empty means the first existing one of SearchPaths, or none.
	File string
	// Flags maps a key to its command-line flag; a flag counts only if given.
	Flags map[string]*pflag.Flag
	// Set holds key=value pairs from --set.
	Set []string
	// Environ is os.Environ().
	Environ []string
	// Files says that log files are read: a secret that cannot be read is no error, but Loaded.Unread.
	Files bool
}

// Loaded is a configuration with the origin of each value.
type Loaded struct {
	Config
	// File is the configuration file that was read, or empty.
	File string
	// Warnings are sentences for users: a secret in a file that others can read, TLS verification disabled.
	Warnings []string
	// Unread says which secrets could not be read, with Options.Files.
	Unread  error
	origins map[string]string
	values  map[string]any
}

// SearchPaths are the paths of the configuration file, in order.
func SearchPaths() []string {
	paths := []string{}
	if dir, err := os.UserConfigDir(); err == nil {
		paths = append(paths, filepath.Join(dir, "dwell", "config.yaml"))
	}
	return append(paths, "/etc/dwell/config.yaml")
}

// Load reads and validates the settings. The error joins every problem, each with its key.
func Load(o Options) (*Loaded, error) {
	l := &Loaded{origins: map[string]string{}, values: map[string]any{}}
	v := viper.New()
	v.SetConfigType("yaml")
	env := environment(o.Environ)
	if err := l.readFile(v, o.File, env); err != nil {
		return nil, err
	}
	var errs []error
	errs = append(errs, unknownEnvironment(env)...)
	for _, k := range Keys() {
		l.origins[k.Name] = "default"
		if v.InConfig(k.Name) {
			l.origins[k.Name] = "file " + l.File
		}
		v.SetDefault(k.Name, k.Default)
		if value, ok := env[k.Env()]; ok && value != "" {
			v.Set(k.Name, fromText(k, value))
			l.origins[k.Name] = "environment " + k.Env()
		}
	}
	errs = append(errs, l.flags(v, o)...)
	if err := v.UnmarshalExact(&l.Config, viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(durationHook, prefixHook, sizeHook))); err != nil {
		errs = append(errs, decodeErrors(err)...)
	}
	if len(errs) == 0 {
		unread := l.secrets(env)
		if o.Files && len(unread) > 0 {
			l.Unread, unread = fmt.Errorf("configuration: %w", errors.Join(unread...)), nil
		}
		errs = append(errs, unread...)
		errs = append(errs, l.validate()...)
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("configuration: %w", errors.Join(errs...))
	}
	for _, k := range Keys() {
		l.values[k.Name] = v.Get(k.Name)
	}
	if l.Elasticsearch.Insecure {
		l.Warnings = append(l.Warnings, "elasticsearch.insecure is on: the server's certificate is not verified, so the key or password can be read by whoever stands between")
	}
	return l, nil
}

func (l *Loaded) readFile(v *viper.Viper, file string, env map[string]string) error {
	if file == "" {
		file = env["DWELL_CONFIG"]
	}
	named := file != ""
	if !named {
		for _, p := range SearchPaths() {
			if _, err := os.Stat(p); err == nil {
				file = p
				break
			}
		}
	}
	if file == "" {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		if named || !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("read configuration: %w", err)
		}
		l.Warnings = append(l.Warnings, fmt.Sprintf("cannot read %s (missing privilege): its settings are ignored", file))
		return nil
	}
	defer f.Close()
	if err := v.ReadConfig(f); err != nil {
		return fmt.Errorf("read configuration %s: %w", file, err)
	}
	l.File = file
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 && hasSecret(v) {
		l.Warnings = append(l.Warnings, fmt.Sprintf("%s holds a secret and can be read by others (mode %04o): chmod 600 %s", file, info.Mode().Perm(), file))
	}
	return nil
}

func hasSecret(v *viper.Viper) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return k.Secret && v.GetString(k.Name) != "" })
}

// flags applies --set and the named flags over everything else.
func (l *Loaded) flags(v *viper.Viper, o Options) (errs []error) {
	for _, s := range o.Set {
		name, value, ok := strings.Cut(s, "=")
		i := slices.IndexFunc(Keys(), func(k Key) bool { return k.Name == name })
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("--set %q: want KEY=VALUE", s))
		case i < 0:
			errs = append(errs, fmt.Errorf("%s: no such setting%s", name, suggestion(name)))
		case Keys()[i].Secret:
			errs = append(errs, fmt.Errorf("%s: a secret is not taken from the command line, where other users can see it; use %s or %s_file", name, Keys()[i].Env(), name))
		default:
			v.Set(name, fromText(Keys()[i], value))
			l.origins[name] = "flag --set"
		}
	}
	for name, f := range o.Flags {
		if !f.Changed {
			continue
		}
		var value any = f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = list.GetSlice()
		}
		v.Set(name, value)
		l.origins[name] = "flag --" + f.Name
	}
	return errs
}

// secrets reads the *_file settings and systemd's credentials into their settings.
func (l *Loaded) secrets(env map[string]string) (errs []error) {
	// A user name in the environment is an administrator's: it replaces the service's key from the file, which has
	// fewer privileges.
	if env["DWELL_ELASTICSEARCH_USERNAME"] != "" && env["DWELL_ELASTICSEARCH_API_KEY"] == "" && env["DWELL_ELASTICSEARCH_API_KEY_FILE"] == "" {
		l.Elasticsearch.APIKey, l.Elasticsearch.APIKeyFile = "", ""
	}
	for _, s := range []struct {
		key, file string
		value     *string
	}{
		{"elasticsearch.api_key", l.Elasticsearch.APIKeyFile, &l.Elasticsearch.APIKey},
		{"elasticsearch.password", l.Elasticsearch.PasswordFile, &l.Elasticsearch.Password},
		{"alerts.webhook_token", l.Alerts.WebhookTokenFile, &l.Alerts.WebhookToken},
	} {
		file, origin := s.file, "file "+s.file
		if credential := filepath.Join(env["CREDENTIALS_DIRECTORY"], s.key); file == "" && env["CREDENTIALS_DIRECTORY"] != "" {
			if _, err := os.Stat(credential); err == nil {
				file, origin = credential, "systemd credential "+s.key
			}
		}
		if file == "" {
			continue
		}
		if *s.value != "" {
			errs = append(errs, fmt.Errorf("%s: given twice, as a value and by the file %s; leave one out", s.key, file))
			continue
		}
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && s.key == "elasticsearch.api_key" {
			err = fmt.Errorf("%w: make the key with `dwell install --create-key %s`, as an administrator", err, file)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s_file: %w", s.key, err))
			continue
		}
		switch *s.value = strings.TrimSpace(string(b)); {
		case *s.value == "":
			errs = append(errs, fmt.Errorf("%s_file: %s is empty", s.key, file))
		case strings.ContainsAny(*s.value, "\r\n"):
			errs = append(errs, fmt.Errorf("%s_file: %s holds more than one line", s.key, file))
		}
		// The service's group may read its key (root:dwell 0640, as dwell install writes it); others may not, and only
		// the owner may write.
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o037 != 0 && file == s.file {
			l.Warnings = append(l.Warnings, fmt.Sprintf("%s holds a secret and can be read by others (mode %04o): chmod 600 %s", file, info.Mode().Perm(), file))
		}
		l.origins[s.key] = origin
	}
	return errs
}

// Setting is one value in effect.
type Setting struct {
	Key, Value, Origin string
}

// Settings lists every value in effect with its origin. Secrets read "(set)", and feeds' addresses are masked.
func (l *Loaded) Settings() []Setting {
	secrets := map[string]string{"elasticsearch.api_key": l.Elasticsearch.APIKey, "elasticsearch.password": l.Elasticsearch.Password}
	out := make([]Setting, 0, len(l.values))
	for _, k := range Keys() {
		value := display(l.values[k.Name])
		if k.Name == "evidence.intel" {
			lists := strings.Split(value, ",")
			for i := range lists {
				lists[i] = masked(lists[i])
			}
			value = strings.Join(lists, ",")
		}
		if k.Secret {
			if value = "(not set)"; secrets[k.Name] != "" {
				value = "(set)"
			}
		}
		out = append(out, Setting{Key: k.Name, Value: value, Origin: l.origins[k.Name]})
	}
	return out
}

func display(v any) string {
	switch v := v.(type) {
	case []string:
		return strings.Join(v, ",")
	case []any:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = fmt.Sprint(p)
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(v)
}

func environment(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, e := range environ {
		k, v, _ := strings.Cut(e, "=")
		m[k] = v
	}
	return m
}

// unknownEnvironment rejects DWELL_ variables that set nothing: they are typing errors.
func unknownEnvironment(env map[string]string) (errs []error) {
	known := map[string]bool{"DWELL_CONFIG": true, "DWELL_REQUIRE_ELASTICSEARCH": true, "DWELL_NO_INSTALL": true, "DWELL_PAGER": true}
	for _, k := range Keys() {
		known[k.Env()] = true
	}
	for name := range env {
		if strings.HasPrefix(name, EnvPrefix) && !known[name] && !strings.HasPrefix(name, "DWELL_TEST_") {
			errs = append(errs, fmt.Errorf("environment variable %s sets nothing: `dwell config` lists the settings", name))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// fromText splits the text of a list setting; other values are decoded later by type.
func fromText(k Key, value string) any {
	if _, ok := k.Default.([]string); !ok {
		return value
	}
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}

func checkAddress(a string) error {
	u, err := url.Parse(a)
	switch {
	case err != nil:
		return errors.New("an address is not a URL: want https://host:9200")
	case u.User != nil:
		return fmt.Errorf("https://%s carries a password: use elasticsearch.username and elasticsearch.password_file", u.Host)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		if _, host, ok := cutLast(a, "@"); ok { // the part before it may be a password
			return fmt.Errorf("...@%s is not a URL of a server: want https://host:9200, the user in elasticsearch.username and the password in elasticsearch.password_file", host)
		}
		return fmt.Errorf("%q is not a URL of a server: want https://host:9200", a)
	}
	return nil
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// masked hides possible secrets in a feed's address: user, password and query.
func masked(address string) string {
	at, column, _ := strings.Cut(address, "#")
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return address
	}
	if u.User != nil {
		u.User = url.User("...")
	}
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	if at = u.String(); column != "" {
		at += "#" + column
	}
	return at
}
