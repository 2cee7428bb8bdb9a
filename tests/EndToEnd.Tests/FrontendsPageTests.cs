using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>The purchase of <c>docs/frontends.md</c> works as it stands there.</summary>
[Trait("Part", "Sale")]
public sealed partial class FrontendsPageTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private static string Code => string.Join('\n',
        Blocks().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "frontends.md"))).Select(block => block.Groups[1].Value));

    [Fact]
    public async Task Purchase_OfThePage_EndsWithATicket()
    {
        var system = await systems.GetAsync(SystemKind.Embedded, database, broker);
        var folder = Directory.CreateTempSubdirectory("concertsaga-page-");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "package.json"), """{ "type": "module" }""");
            var program = Path.Combine(folder.FullName, "purchase.ts");
            await File.WriteAllTextAsync(program, Code);
            await using var node = await GuardedProcess.StartAsync([FindNode(), program],
                new Dictionary<string, string?> { ["API"] = system.Address.GetLeftPart(UriPartial.Authority) }, folder.FullName);

            Assert.True(await node.ExitAsync(Limit) == 0, node.Output);
            Assert.Matches(@"^Confirmed: .+ GMT.+, holder [0-9A-F]{4}-[0-9A-F]{4}\n[\w-]+\.[\w-]+\.[\w-]+\s*$", node.Output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The code runs without its types, so their names are compared with the document.</summary>
    [Fact]
    public void Names_OnThePage_AreInTheDocument()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Root, "docs", "openapi.json")));
        var schemas = document.RootElement.GetProperty("components").GetProperty("schemas");
        var paths = document.RootElement.GetProperty("paths").EnumerateObject().Select(path => Parameter().Replace(path.Name, "*"))
            .ToHashSet();

        string[] used = [.. Schemas().Matches(Code).Select(match => match.Groups[1].Value).Distinct()];
        Assert.True(used.Length >= 7, string.Join(' ', used));
        Assert.All(used, name => Assert.True(schemas.TryGetProperty(name, out _), name));
        string[] called = [.. Paths().Matches(Code).Select(match => Argument().Replace(match.Groups[1].Value, "*"))];
        Assert.True(called.Length >= 10, string.Join(' ', called));
        Assert.All(called, path => Assert.Contains(path, paths));
    }

    // A Node that drops types: of the system, or the one of the browser tests.
    private static string FindNode()
    {
        var packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        var drivers = Path.Combine(packages, "microsoft.playwright");
        var platform = System.Runtime.InteropServices.RuntimeInformation.OSArchitecture
            == System.Runtime.InteropServices.Architecture.Arm64 ? "linux-arm64" : "linux-x64";
        return (Directory.Exists(drivers) ? Directory.GetDirectories(drivers).Order(StringComparer.Ordinal) : Enumerable.Empty<string>())
            .Select(version => Path.Combine(version, ".playwright", "node", platform, "node")).LastOrDefault(File.Exists) ?? "node";
    }

    [GeneratedRegex(@"^```ts\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Blocks();

    [GeneratedRegex(@"Schemas\['(\w+)'\]")]
    private static partial Regex Schemas();

    [GeneratedRegex(@"['`](/(?:api|auth)/[^'`]+)['`]")]
    private static partial Regex Paths();

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"\$\{[^}]*\}")]
    private static partial Regex Argument();
}
