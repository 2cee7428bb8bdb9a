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
/// The catalogue's reads as people make them: a real gateway checks token and pass, a real seats service asks PostgreSQL. The waiting room
/// behind the gateway is played. Hot: everybody looks at one date or concert; spread: at all of them.
/// </summary>
internal static class SeatsBenchmark
{
    // Short of these a rate was more than the system takes.
    private const double LeastShare = 0.95, MostLate = 1000;

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
            ["--Database:Provider=PostgreSql", $"--ConnectionStrings:Seats={database.Address}", $"--Gateway:Secret={GatewayHosts.Secret}", "--Messaging:Transport=InMemory"],
            new Dictionary<string, string?> { ["DOTNET_GCgen0size"] = "0x4000000" });
        var tickets = new Tickets();
        using var upstream = await HostProcess.StartAsync(GatewayHosts.Upstream, tickets, "-");
        using var gateway = await HostProcess.StartAsync(GatewayHosts.Ours, tickets, $"{upstream.Address.OriginalString},{seats.Address.OriginalString}");
        var server = await database.Server!.ProcessIdAsync();

        var table = new Table("reads", "asked/s", "answered/s", "p50 ms", "p90", "p99", "p99.9", "CPU µs: gateway", "seats", "PostgreSQL");
        var most = new List<string>();
        foreach (var (name, request) in Workloads(plan, tickets))
        {
            await Console.Error.WriteLineAsync(name);
            await OpenLoad.RunAsync(gateway.Address, request, plan.First, Warm, plan.Connections, cancellationToken);
            var best = 0.0;
            for (double rate = plan.First; ; rate *= 2)
            {
                var before = (CpuTime.Of(gateway.ProcessId), CpuTime.Of(seats.ProcessId), CpuTime.OfFamily(server));
                var result = await OpenLoad.RunAsync(gateway.Address, request, rate, TimeSpan.FromSeconds(plan.Seconds), plan.Connections, cancellationToken);
                var count = result.Latencies.Count;
                table.Add(name, Text(rate, "0"), Text(result.PerSecond, "0"), Latency(result, 0.5), Latency(result, 0.9), Latency(result, 0.99), Latency(result, 0.999),
                    Cpu(CpuTime.Of(gateway.ProcessId) - before.Item1, count), Cpu(CpuTime.Of(seats.ProcessId) - before.Item2, count), Cpu(CpuTime.OfFamily(server) - before.Item3, count));
                best = Math.Max(best, result.PerSecond);
                if (result.PerSecond < LeastShare * rate || result.Latencies.Percentile(0.99) > MostLate)
                    break;
            }
            most.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {best:0}"));
        }

        var text = string.Create(CultureInfo.InvariantCulture, $"""
            {Machine.Describe()}, PostgreSQL with its durable defaults; the load comes from the same machine.
            {plan.Catalogue.Schedules:#,0} schedules, {plan.Catalogue.Seats:#,0} seats; {plan.Connections} connections, {plan.People} callers, {plan.Seconds} s at each rate. A latency runs from the moment a request was due (the timer's millisecond is in it).

            {table}
            The most answered in a second: {string.Join("; ", most)}.
            """);
        await Console.Out.WriteLineAsync(text);
        if (plan.Write)
            await PerformanceDocument.WriteAsync("seats", text);
    }

    private static (string Name, Func<int, byte[]> Request)[] Workloads(SeatsPlan plan, Tickets tickets)
    {
        var catalogue = plan.Catalogue;
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        // The dates of a concert that have seats.
        var dates = Math.Max(1, catalogue.DatesWithSeats / catalogue.Concerts);
        const int hotConcert = 1;
        var (hot, spread) = (Callers(_ => hotConcert), Callers(person => person % catalogue.Concerts + 1));
        var hotDate = catalogue.ScheduleOf(hotConcert, dates - 1);

        return
        [
            ("seat map, hot", number => hot[number % hot.Length].Ask($"/api/schedules/{hotDate}/seats")),
            ("seat map, spread", number => SeatMapOfOwnConcert(Spread(number), number)),
            ("dates, hot", number => hot[number % hot.Length].Ask($"/api/concerts/{hotConcert}/schedules")),
            ("dates, spread", number => DatesOfOwnConcert(Spread(number)))
        ];

        Reader Spread(int number) => spread[Mixed(number, spread.Length)];

        byte[] SeatMapOfOwnConcert(Reader reader, int number) =>
            reader.Ask($"/api/schedules/{catalogue.ScheduleOf(reader.ConcertId, Mixed(number / spread.Length + number, dates))}/seats");

        static byte[] DatesOfOwnConcert(Reader reader) => reader.Ask($"/api/concerts/{reader.ConcertId}/schedules");

        Reader[] Callers(Func<int, int> concertOf) =>
            [.. Enumerable.Range(0, plan.People).Select(person => Caller($"user-{person}", concertOf(person)))];

        Reader Caller(string user, int concertId) => new(concertId, Encoding.ASCII.GetBytes(
            $" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {tickets.Bearer(user, now)}\r\nX-Queue-Token: {tickets.Pass(user, now, concertId)}\r\n\r\n"));
    }

    private static int Mixed(int number, int of) => (int)(unchecked((uint)number * 2654435761u) % (uint)of);

    private static string Latency(OpenResult result, double share) => Text(result.Latencies.Percentile(share), "0.0");

    private static string Cpu(double milliseconds, long count) => Text(milliseconds * 1000 / count, "0");

    private static string Text(double number, string format) => number.ToString(format, CultureInfo.InvariantCulture);

    /// <summary>Somebody with a pass for a concert.</summary>
    private sealed record Reader(int ConcertId, byte[] Rest)
    {
        public byte[] Ask(string path) => [.. "GET "u8, .. Encoding.ASCII.GetBytes(path), .. Rest];
    }
}
