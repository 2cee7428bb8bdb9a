using System.Globalization;
using System.Text;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;

namespace ConcertSaga.Benchmarks.Gateways;

/// <summary>
/// What the gateway costs: a route that needs a pass beside bare YARP with the JWT check in front of the same upstream, and a poll of the
/// waiting room beside a bare endpoint that returns the same JSON.
/// </summary>
internal static class GatewayBenchmark
{
    private const string Route = "/api/concerts/1/schedules", Poll = "/api/queue/tokens/current";

    public static async Task RunAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        var tickets = new Tickets();
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        var booking = Requests(plan.People, Route, user => tickets.Bearer(user, now), (user, _) => tickets.Pass(user, now));
        var polling = Requests(plan.People, Poll, user => tickets.Bearer(user, now), (user, number) => tickets.Waiting(user, 1000 + number, now));

        using var upstream = await HostProcess.StartAsync(GatewayHosts.Upstream, tickets, "-");
        using var ours = await HostProcess.StartAsync(GatewayHosts.Ours, tickets, upstream.Address.OriginalString);
        using var bare = await HostProcess.StartAsync(GatewayHosts.Bare, tickets, upstream.Address.OriginalString);
        using var endpoint = await HostProcess.StartAsync(GatewayHosts.Endpoint, tickets, "-");
        Variant[] polls = [new("poll", ours, polling), new("bare endpoint", endpoint, polling)];
        Variant[] routes = plan.PollsOnly ? [] : [new("route with a pass", ours, booking), new("bare YARP and JWT", bare, booking)];
        Variant[] variants = [.. routes, .. polls];
        // Until the runtime has done with compiling: with 3 s it still took a twentieth of the processor time of the rounds.
        foreach (var variant in variants)
            await HttpLoad.RunAsync(variant.Host.Address, variant.Requests, plan.Connections, TimeSpan.FromSeconds(15), cancellationToken);
        for (var round = 0; round < plan.Rounds; round++)
        {
            // Each goes first as often as last.
            foreach (var variant in round % 2 == 0 ? variants : variants.Reverse())
                await variant.RunAsync(plan, cancellationToken);
        }

        var table = new Table("variant", "requests/s", "CPU µs/request", "p50 ms", "p99 ms");
        foreach (var one in variants)
            table.Add(one.Name, one.PerSecond.ToText("0"), one.Cpu.ToText("0"), one.Median.ToText("0.00"), one.Late.ToText("0.00"));
        var result = string.Create(CultureInfo.InvariantCulture, $"""
            {Machine.Describe()}.
            {plan.Connections} connections, {plan.People} callers with tokens of their own; {plan.Rounds} interleaved rounds of {plan.Seconds} s each. Median (least–most).

            {table}
            A poll costs {Variant.Ratio(polls[0], polls[1], round => round.Cpu).ToText("0.00")} times the processor time of the bare endpoint in the same round (at most 1.5 is asked for).
            """);
        if (!plan.PollsOnly)
            result += string.Create(CultureInfo.InvariantCulture,
                $"{Environment.NewLine}The route with a pass reaches {Variant.Ratio(routes[0], routes[1], round => round.PerSecond).ToText("0.00")} of the requests per second of bare YARP in the same round (at least 0.85 is asked for).");
        await Console.Out.WriteLineAsync(result);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("gateway", result);
    }

    private static byte[][] Requests(int people, string path, Func<string, string> bearer, Func<string, int, string> queueToken) =>
        [.. Enumerable.Range(1, people).Select(number => Encoding.ASCII.GetBytes(
            $"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer($"user-{number}")}\r\nX-Queue-Token: {queueToken($"user-{number}", number)}\r\n\r\n"))];

    private sealed record Variant(string Name, HostProcess Host, byte[][] Requests)
    {
        private readonly List<Round> _rounds = [];

        public Samples PerSecond => new(_rounds.Select(round => round.PerSecond));

        public Samples Cpu => new(_rounds.Select(round => round.Cpu));

        public Samples Median => new(_rounds.Select(round => round.Median));

        public Samples Late => new(_rounds.Select(round => round.Late));

        public async Task RunAsync(GatewayPlan plan, CancellationToken cancellationToken)
        {
            var before = CpuTime.Of(Host.ProcessId);
            var (perSecond, taken) = await HttpLoad.RunAsync(Host.Address, Requests, plan.Connections, TimeSpan.FromSeconds(plan.Seconds), cancellationToken);
            var cpu = (CpuTime.Of(Host.ProcessId) - before) * 1000 / taken.Length;
            _rounds.Add(new Round(perSecond, cpu, Samples.Percentile(taken, 0.5), Samples.Percentile(taken, 0.99)));
        }

        /// <summary>Round by round: what else happens on the machine meets both.</summary>
        public static Samples Ratio(Variant one, Variant other, Func<Round, double> figure) =>
            new(one._rounds.Zip(other._rounds, (ours, theirs) => figure(ours) / figure(theirs)));
    }

    private sealed record Round(double PerSecond, double Cpu, double Median, double Late);
}
