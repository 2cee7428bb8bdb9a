using System.Text.RegularExpressions;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Testing;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Kubernetes.Tests.Monitoring;

/// <summary>
/// The names under which the product publishes its metrics to Prometheus: those of its own instruments from the code, and those of the
/// frameworks from a process that has handled requests and messages. Hosts of one process share metrics of the same name, and the first
/// one that ends takes them along, so the tests of this collection run one after the other.
/// </summary>
internal static partial class PublishedMetrics
{
    private const string Secret = "the secret of the metrics tests";

    private static readonly Lazy<IReadOnlySet<string>> All = new(() => ReadAsync().GetAwaiter().GetResult());

    public static IReadOnlySet<string> Names => All.Value;

    private static async Task<IReadOnlySet<string>> ReadAsync() =>
        new[] { "Gateway", "Orchestrator", "Services", "Shared.Persistence" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories))
            .SelectMany(file => Instruments().Matches(File.ReadAllText(file))).SelectMany(NamesOf)
            .Concat(await ScrapeAsync()).ToHashSet();

    private static IEnumerable<string> NamesOf(Match instrument)
    {
        var name = instrument.Groups["name"].Value.Replace('.', '_')
            + (instrument.Groups["rest"].Value.Contains("\"s\"", StringComparison.Ordinal)
            ? "_seconds" : "");
        return instrument.Groups["kind"].Value switch
        {
            "Counter" => [$"{name}_total"],
            "Histogram" => [$"{name}_bucket", $"{name}_sum", $"{name}_count"],
            _ => [name]
        };
    }

    private static async Task<IEnumerable<string>> ScrapeAsync()
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            ContentRootPath = AppContext.BaseDirectory,
            Args = ["--urls=http://127.0.0.1:0", $"--Gateway:Secret={Secret}", "--Messaging:Transport=InMemory"]
        });
        builder.AddServiceDefaults("metrics-tests");
        builder.Logging.ClearProviders();
        builder.AddMessaging(bus => bus.AddHandler<Ping>(context =>
            context.Message.Fails ? throw new InvalidOperationException("on purpose") : Task.CompletedTask));
        await using var app = builder.Build();
        app.UseServiceDefaults();
        await app.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        client.DefaultRequestHeaders.Add(InnerWall.SecretHeader, Secret);
        var bus = app.Services.GetRequiredService<IBus>();
        await app.Services.GetRequiredService<IBusControl>().WaitForHealthStatus(BusHealthStatus.Healthy, TimeSpan.FromSeconds(60));
        await bus.Publish(new Ping(false));
        await bus.Publish(new Ping(true));
        // An answer contains the requests before it.
        string[] last = ["consume_errors", "http_server_request_duration", "http_client_request_duration"];
        var text = "";
        await Eventually.TrueAsync(async () =>
        {
            text = await client.GetStringAsync(new Uri("/metrics", UriKind.Relative));
            return last.All(name => text.Contains(name, StringComparison.Ordinal));
        }, TimeSpan.FromSeconds(60), "a handler has failed, and requests are counted");
        return Samples().Matches(text).Select(match => match.Groups[1].Value);
    }

    [GeneratedRegex("""(?<kind>Counter|Histogram|ObservableGauge|UpDownCounter)(?:<\w+>)?\(\s*"(?<name>[a-z_.]+)"(?<rest>[^;]*)""")]
    private static partial Regex Instruments();

    [GeneratedRegex("^([a-z_]+)[ {]", RegexOptions.Multiline)]
    private static partial Regex Samples();
}

/// <summary>A message of the test.</summary>
public sealed record Ping(bool Fails);
