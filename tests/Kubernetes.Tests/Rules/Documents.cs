using System.Text.RegularExpressions;
using System.Xml.Linq;
using ConcertSaga.Testing;

namespace ConcertSaga.Kubernetes.Tests.Rules;

/// <summary>What the documents and the code of the product say.</summary>
internal static partial class Documents
{
    /// <summary>The version of the product, which tags its images.</summary>
    public static string Version { get; } =
        XDocument.Load(Path.Combine(Repository.Root, "Directory.Build.props")).Descendants("Version").Single().Value;

    /// <summary>The keys of <c>docs/configuration.md</c>, as patterns: <c>&lt;name&gt;</c> stands for any name.</summary>
    public static IReadOnlyList<Regex> SettingKeys { get; } =
    [
        .. Rows().SelectMany(row => KeysOf(row.Split('|')[1])).Distinct()
            .Select(key => new Regex($"^{PlaceholderInKey().Replace(Regex.Escape(key), "[^:]+")}(:[0-9]+)?$", RegexOptions.IgnoreCase))
    ];

    /// <summary>The names of the product's programs.</summary>
    public static IReadOnlyList<string> Programs { get; } =
    [
        .. Directory.EnumerateFiles(Repository.Root, "Program.cs", SearchOption.AllDirectories)
            .Select(file => ProgramName().Match(File.ReadAllText(file))).Where(match => match.Success)
            .Select(match => match.Groups[1].Value)
    ];

    /// <summary>The images that <c>eng/images.sh</c> builds.</summary>
    public static IReadOnlyList<string> Images { get; } = ImageNames().Match(Read("eng/images.sh")).Groups[1].Value.Split(' ');

    /// <summary>The connections that the section Network of <c>docs/architecture.md</c> names, between processes.</summary>
    public static IReadOnlyList<string> Edges { get; } =
    [
        .. Read("docs/architecture.md").Split("\n## ").Single(section => section.StartsWith("Network", StringComparison.Ordinal))
            .Split('\n')
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .SelectMany(line => NamesIn(line.Split('|')[2]).Select(to => $"{NamesIn(line.Split('|')[1]).Single()} → {to}"))
    ];

    /// <summary>The queues that <c>docs/operations.md</c> explains.</summary>
    public static IReadOnlyList<string> Queues { get; } =
        [.. NamesIn(Read("docs/operations.md").Split("\n## Queues")[1].Split("\n## ")[0])];

    /// <summary>The anchors of headings of <c>docs/operations.md</c>.</summary>
    public static IReadOnlyList<string> OperationsAnchors { get; } = [.. Read("docs/operations.md").Split('\n')
        .Where(line => line.StartsWith('#')).Select(line => line.TrimStart('#', ' ').ToLowerInvariant().Replace(' ', '-'))];

    public static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    /// <summary>The replicas of each process in an overlay, such as <c>2–6</c>, as the table of <c>k8s/README.md</c> has them.</summary>
    public static Dictionary<string, string> ReplicasIn(string overlay)
    {
        string[][] rows = [.. Read("k8s/README.md").Split("\n## How many replicas")[1].Split("\n## ")[0].Split('\n')
            .Where(line => line.StartsWith('|')).Select(line => line.Split('|', StringSplitOptions.TrimEntries))];
        var column = Array.IndexOf(rows[0], Path.GetFileName(overlay).Replace('-', ' '));
        return rows.Skip(2).SelectMany(row => row[1].Split(", "), (row, process) => (process, row[column])).ToDictionary();
    }

    /// <summary>The default of a time span in <c>docs/configuration.md</c>.</summary>
    public static TimeSpan DefaultOf(string key) =>
        TimeSpan.Parse(TimeIn().Match(Rows().Single(row => row.Split('|')[1].Contains($"`{key}`", StringComparison.Ordinal))
            .Split('|')[3]).Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);

    public static bool IsSetting(string environmentName)
    {
        var key = environmentName.Replace("__", ":", StringComparison.Ordinal);
        // The runtime's own setting, of docs/operations.md.
        return environmentName == "DOTNET_GCgen0size" || SettingKeys.Any(pattern => pattern.IsMatch(key));
    }

    private static IEnumerable<string> Rows() =>
        Read("docs/configuration.md").Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal));

    // A short key such as `:Queue` belongs to the section of the row's first key, or to the key before it.
    private static IEnumerable<string> KeysOf(string cell)
    {
        var first = "";
        foreach (var name in NamesIn(cell))
        {
            if (!name.StartsWith(':'))
                yield return first = name;
            else
                for (var section = first; section.Contains(':'); section = section[..section.LastIndexOf(':')])
                    yield return section[..section.LastIndexOf(':')] + name;
        }
    }

    private static IEnumerable<string> NamesIn(string text) => Quoted().Matches(text).Select(match => match.Groups[1].Value);

    [GeneratedRegex(@"ServiceHost\.Run(?:Public)?Async\(""([a-z]+)""")]
    private static partial Regex ProgramName();

    [GeneratedRegex(@"chosen=\(([a-z ]+)\)")]
    private static partial Regex ImageNames();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex("<[a-zA-Z]+>")]
    private static partial Regex PlaceholderInKey();

    [GeneratedRegex("`?([0-9.]*[0-9]{2}:[0-9]{2}:[0-9]{2})`?")]
    private static partial Regex TimeIn();
}
