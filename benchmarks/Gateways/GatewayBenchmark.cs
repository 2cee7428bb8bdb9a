using System.Globalization;
using System.Text;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>
/// Cost of the gateway: a route that needs a pass beside bare YARP with a JWT check, both before the same upstream; and a poll of the
/// waiting room beside a bare endpoint that returns the same JSON.
/// </summary>
internal static class GatewayBenchmark
{
    private const string Route = "/api/concerts/1/schedules", Poll = "/api/queue/tokens/current";

    public static async Task RunAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        var tokens = new TokenFactory();
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        var booking = Requests(plan.Customers, Route, user => tokens.Bearer(user, now), (user, _) => tokens.Pass(user, now));
        var polling = Requests(plan.Customers, Poll, user => tokens.Bearer(user, now),
            (user, number) => tokens.Waiting(user, 1000 + number, now));

        using var upstream = await HostProcess.StartAsync(GatewayHost.Upstream, tokens, "-");
        using var ours = await HostProcess.StartAsync(GatewayHost.Ours, tokens, upstream.Address.OriginalString);
        using var bare = await HostProcess.StartAsync(GatewayHost.Bare, tokens, upstream.Address.OriginalString);
        using var endpoint = await HostProcess.StartAsync(GatewayHost.Endpoint, tokens, "-");
        LoadVariant[] polls = [new("poll", ours, polling), new("bare endpoint", endpoint, polling)];
        LoadVariant[] routes = plan.PollsOnly ? [] : [new("route with a pass", ours, booking), new("bare YARP and JWT", bare, booking)];
        LoadVariant[] variants = [.. routes, .. polls];
        await LoadVariant.RunAsync(variants, plan.Rounds, TimeSpan.FromSeconds(plan.Seconds), plan.Connections, cancellationToken);

        var table = new Table("variant", "requests/s", "CPU µs/request", "p50 ms", "p99 ms");
        foreach (var variant in variants)
            table.Add(variant.Name, variant.PerSecond.ToText("0"), variant.Cpu.ToText("0"), variant.P50.ToText("0.00"),
                variant.P99.ToText("0.00"));
        var pollCost = LoadVariant.Ratio(polls[0], polls[1], round => round.Cpu).ToText("0.00");
        var result = string.Create(CultureInfo.InvariantCulture, $"""
            {Machine.Describe()}.
            {plan.Connections} connections, {plan.Customers} callers, each with its own tokens;
            {plan.Rounds} interleaved rounds of {plan.Seconds} s each. Median (minimum–maximum).

            {table}
            A poll costs {pollCost} times the processor time of the bare endpoint in the same round (limit: 1.5).
            """);
        if (!plan.PollsOnly)
        {
            var routeSpeed = LoadVariant.Ratio(routes[0], routes[1], round => round.PerSecond).ToText("0.00");
            result += $"{Environment.NewLine}The route with a pass reaches {routeSpeed} of the requests per second of bare YARP"
                + " in the same round (minimum: 0.85).";
        }
        await Console.Out.WriteLineAsync(result);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("gateway", result);
    }

    private static byte[][][] Requests(int customers, string path, Func<string, string> bearer, Func<string, int, string> queueToken) =>
        [.. Enumerable.Range(1, customers).Select(number => new[] { Encoding.ASCII.GetBytes(
            $"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer($"user-{number}")}\r\n"
            + $"X-Queue-Token: {queueToken($"user-{number}", number)}\r\n\r\n") })];
}
