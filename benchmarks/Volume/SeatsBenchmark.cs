using System.Globalization;
using System.Text;
using ConcertSaga.Benchmarks.Gateways;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Processes;
using Npgsql;

namespace ConcertSaga.Benchmarks.Volume;

/// <summary>
/// Measures reads of the catalogue: a real gateway checks token and pass, and a real seats service queries PostgreSQL. The waiting room is
/// simulated. Hot: all customers read one schedule or concert. Spread: they read all of them.
/// </summary>
internal static class SeatsBenchmark
{
    // Beyond these limits, the system does not sustain a rate.
    private const double MinShare = 0.95, MaxMilliseconds = 1000;

    private static readonly TimeSpan Warm = TimeSpan.FromSeconds(4);

    public static async Task RunAsync(SeatsPlan plan, CancellationToken cancellationToken)
    {
        await using var database = await CatalogueDatabase.CreateAsync(DatabaseProvider.PostgreSql, null, cancellationToken);
        await CatalogueLoad.RunAsync(database, plan.Catalogue, null, cancellationToken);
        await using (var connection = new NpgsqlConnection($"{database.Address};Command Timeout=0"))
        {
            await connection.OpenAsync(cancellationToken);
            await CatalogueDatabase.ExecuteAsync(connection, "VACUUM (ANALYZE)", cancellationToken);
        }
        await using var seats = await ServiceProcess.StartAsync("Services/Seats",
            [
                "--Database:Provider=PostgreSql", $"--ConnectionStrings:Seats={database.Address}", $"--Gateway:Secret={GatewayHost.Secret}",
                "--Messaging:Transport=InMemory"
            ],
            new Dictionary<string, string?> { ["DOTNET_GCgen0size"] = "0x4000000" });
        var tokens = new TokenFactory();
        using var upstream = await HostProcess.StartAsync(GatewayHost.Upstream, tokens, "-");
        using var gateway = await HostProcess.StartAsync(GatewayHost.Ours, tokens,
            $"{upstream.Address.OriginalString},{seats.Address.OriginalString}");
        var server = await database.Server!.ProcessIdAsync();

        var table = new Table("reads", "requests/s", "answered/s", "p50 ms", "p90", "p99", "p99.9", "CPU µs: gateway", "seats",
            "PostgreSQL");
        var maxima = new List<string>();
        foreach (var (name, request) in Workloads(plan, tokens))
        {
            await Console.Error.WriteLineAsync(name);
            await OpenLoad.RunAsync(gateway.Address, request, plan.First, Warm, plan.Connections, cancellationToken);
            var max = 0.0;
            var rows = new List<string[]>();
            for (double rate = plan.First; ; rate *= 2)
            {
                var gatewayBefore = CpuTime.Of(gateway.ProcessId);
                var seatsBefore = CpuTime.Of(seats.ProcessId);
                var serverBefore = CpuTime.OfFamily(server);
                var time = TimeSpan.FromSeconds(plan.Seconds);
                var result = await OpenLoad.RunAsync(gateway.Address, request, rate, time, plan.Connections, cancellationToken);
                var count = result.Latencies.Count;
                rows.Add([name, Text(rate, "0"), Text(result.PerSecond, "0"),
                    Latency(result, 0.5), Latency(result, 0.9), Latency(result, 0.99), Latency(result, 0.999),
                    Cpu(CpuTime.Of(gateway.ProcessId) - gatewayBefore, count), Cpu(CpuTime.Of(seats.ProcessId) - seatsBefore, count),
                    Cpu(CpuTime.OfFamily(server) - serverBefore, count)]);
                max = Math.Max(max, result.PerSecond);
                if (result.PerSecond < MinShare * rate || result.Latencies.Percentile(0.99) > MaxMilliseconds)
                    break;
            }
            // The last rate that got through, and the one that did not.
            foreach (var row in rows.TakeLast(2))
                table.Add(row);
            maxima.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {max:0}"));
        }

        var text = string.Create(CultureInfo.InvariantCulture, $"""
            {Machine.Describe()};
            PostgreSQL with its durable defaults. The load comes from the same machine.
            {plan.Catalogue.Schedules:#,0} schedules, {plan.Catalogue.Seats:#,0} seats;
            {plan.Connections} connections, {plan.Customers} callers, {plan.Seconds} s at each rate.
            A latency starts when a request is due (it includes the timer's millisecond).

            {table}
            Maximum answered per second: {string.Join("; ", maxima)}.
            """);
        await Console.Out.WriteLineAsync(text);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("seats", text);
    }

    private static (string Name, Func<int, byte[]> Request)[] Workloads(SeatsPlan plan, TokenFactory tokens)
    {
        var catalogue = plan.Catalogue;
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        // Schedules with seats of each concert.
        var schedules = Math.Max(1, catalogue.SchedulesWithSeats / catalogue.Concerts);
        const int hotConcert = 1;
        var hot = Callers(_ => hotConcert);
        var spread = Callers(customer => customer % catalogue.Concerts + 1);
        var hotSchedule = catalogue.ScheduleOf(hotConcert, schedules - 1);

        return
        [
            ("seat map, hot", number => hot[number % hot.Length].Get($"/api/schedules/{hotSchedule}/seats")),
            ("seat map, spread", number => SeatMapOfOwnConcert(Spread(number), number)),
            ("schedules, hot", number => hot[number % hot.Length].Get($"/api/concerts/{hotConcert}/schedules")),
            ("schedules, spread", number => SchedulesOfOwnConcert(Spread(number)))
        ];

        Reader Spread(int number) => spread[Mixed(number, spread.Length)];

        byte[] SeatMapOfOwnConcert(Reader reader, int number) =>
            reader.Get($"/api/schedules/{catalogue.ScheduleOf(reader.ConcertId, Mixed(number / spread.Length + number, schedules))}/seats");

        static byte[] SchedulesOfOwnConcert(Reader reader) => reader.Get($"/api/concerts/{reader.ConcertId}/schedules");

        Reader[] Callers(Func<int, int> concertOf) =>
            [.. Enumerable.Range(0, plan.Customers).Select(customer => Caller($"user-{customer}", concertOf(customer)))];

        Reader Caller(string user, int concertId) => new(concertId, Encoding.ASCII.GetBytes(
            $" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {tokens.Bearer(user, now)}\r\n"
            + $"X-Queue-Token: {tokens.Pass(user, now, concertId)}\r\n\r\n"));
    }

    private static int Mixed(int number, int of) => (int)(unchecked((uint)number * 2654435761u) % (uint)of);

    private static string Latency(OpenLoadResult result, double share) => Text(result.Latencies.Percentile(share), "0.0");

    private static string Cpu(double milliseconds, long count) => Text(milliseconds * 1000 / count, "0");

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);

    /// <summary>A customer with a pass for a concert.</summary>
    private sealed record Reader(int ConcertId, byte[] Rest)
    {
        public byte[] Get(string path) => [.. "GET "u8, .. Encoding.ASCII.GetBytes(path), .. Rest];
    }
}
