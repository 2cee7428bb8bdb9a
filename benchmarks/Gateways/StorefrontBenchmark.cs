using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>
/// Cost of the waiting room's page: customers who open it for the first time and poll once, beside customers who only poll, at one gateway.
/// </summary>
internal static partial class StorefrontBenchmark
{
    private const string Page = "/concerts/1", Poll = "/api/queue/tokens/current";

    // What the page promises: this many customers open it in one minute.
    private const int Crowd = 100_000;

    public static async Task RunAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        var tokens = new TokenFactory();
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        using var upstream = await HostProcess.StartAsync(GatewayHost.Upstream, tokens, "-");
        using var gateway = await HostProcess.StartAsync(GatewayHost.Ours, tokens, upstream.Address.OriginalString);
        byte[][] page = [.. (await ReadPageAsync(gateway.Address, cancellationToken)).Select(path => Request(path, ""))];
        // Customers of their own, because a poll of a customer whom the gateway knows is cheaper.
        LoadVariant openings = new("opening: page and poll", gateway, Visits(plan.Customers, "guest", page));
        LoadVariant polls = new("poll alone", gateway, Visits(plan.Customers, "fan", []));
        await LoadVariant.RunAsync([openings, polls], plan.Rounds, TimeSpan.FromSeconds(plan.Seconds), plan.Connections,
            cancellationToken);

        var result = Describe(plan, page.Length + 1, openings, polls);
        await Console.Out.WriteLineAsync(result);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("storefront", result);

        byte[][][] Visits(int customers, string name, byte[][] before) =>
        [
            .. Enumerable.Range(1, customers).Select(number => before.Append(Request(Poll,
                $"Authorization: Bearer {tokens.Bearer($"{name}-{number}", now)}\r\n"
                + $"X-Queue-Token: {tokens.Waiting($"{name}-{number}", 1000 + number, now)}\r\n")).ToArray())
        ];
    }

    private static string Describe(GatewayPlan plan, int requests, LoadVariant openings, LoadVariant polls)
    {
        var table = new Table("visit", "visits/s", "requests/s", "KB", "CPU µs: gateway", "client", "p50 ms", "p99 ms");
        foreach (var (variant, count) in new[] { (openings, requests), (polls, 1) })
            table.Add(variant.Name, variant.PerSecond.ToText("0"), Text($"{variant.PerSecond.Median * count:0}"),
                Text($"{variant.Bytes.Median / 1000:0.0}"), variant.Cpu.ToText("0"), variant.ClientCpu.ToText("0"),
                variant.P50.ToText("0.00"), variant.P99.ToText("0.00"));
        var minute = 60 * openings.PerSecond.Median;
        var cores = openings.Cpu.Median * Crowd / 60 / 1_000_000;
        return Text($"""
            {Machine.Describe()}.
            {plan.Connections} connections, {plan.Customers} customers for each kind of visit, each with its own tokens;
            {plan.Rounds} interleaved rounds of {plan.Seconds} s each. Median (minimum–maximum).

            {table}
            - An opening is {requests} requests and costs {LoadVariant.Ratio(openings, polls, round => round.Cpu).ToText("0.0")} times the
              gateway's processor time of a poll alone in the same round.
            - In a minute this machine, which also runs the client, carries {minute:N0} openings: {minute / Crowd:0.0} times {Crowd:N0}.
            - {Crowd:N0} openings in a minute are {Crowd / 60.0:N0} per second and need {cores:0.00} cores for the gateway
              and {openings.Bytes.Median * Crowd / 60 * 8 / 1_000_000:N0} Mbit/s, as extrapolated from one opening.
            """);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>The addresses of the page and of the files that it names. A browser needs all of them before its first poll.</summary>
    private static async Task<List<string>> ReadPageAsync(Uri gateway, CancellationToken cancellationToken)
    {
        using var client = new HttpClient { BaseAddress = gateway };
        var html = await client.GetStringAsync(Page, cancellationToken);
        List<string> paths = [Page, .. Files().Matches(html).Select(match => match.Groups[1].Value)];
        client.DefaultRequestHeaders.Add("Accept-Encoding", "br");
        foreach (var path in paths)
        {
            using var response = await client.GetAsync(path, cancellationToken);
            if (!response.IsSuccessStatusCode || response.Content.Headers.ContentEncoding is not { Count: 1 })
                throw new BenchmarkException($"{path} is not served in compressed form.");
        }
        return paths;
    }

    private static byte[] Request(string path, string headers) =>
        Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: br\r\n{headers}\r\n");

    [GeneratedRegex("(?:src|href)=\"(/v/[^\"]+)\"")]
    private static partial Regex Files();
}
