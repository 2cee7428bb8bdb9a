using System.Globalization;
using System.Text.Json;
using ConcertSaga.Benchmarks.Measuring;
using ConcertSaga.Benchmarks.Report;
using ConcertSaga.Benchmarks.Reservations;
using ConcertSaga.Orchestrator.Reservations;

namespace ConcertSaga.Benchmarks.Operations;

/// <summary>Reads the lists of operators, one request after the other, each with another value of its filter.</summary>
internal sealed class ListRun(Cluster cluster, OperatorClient client, OperationsPlan plan)
{
    private const int Warm = 3, Limit = 200, Positions = 20, Overviews = 30;

    // An overview is kept for two seconds.
    private static readonly TimeSpan OverviewPause = TimeSpan.FromSeconds(2.1);

    private static readonly string[] States = Enum.GetNames<ReservationState>(), Statuses = Enum.GetNames<ReservationStatus>();

    private static readonly string[] None = ["–", "–", "–"];

    private static readonly string[] Codes = ["SEAT_UNAVAILABLE", "HOLD_EXPIRED", "INSUFFICIENT_POINTS", "STEP_TIMED_OUT"];

    private static readonly (string Service, string Path, string[] Filters)[] Others =
    [
        ("dataplatform", "deliveries", ["", "status=Dead", "status=Delivered", "status=Discarded", "status=Pending",
            "eventType=reservation.cancelled", "status=Dead&eventType=reservation.confirmed",
            "reservationId=01a206d2-5410-7b31-873e-3608c2402541"]),
        ("operations", "actions", ["", "operator=operator-7", "operator=unknown", "action=Cancel", "action=unknown",
            "target=reservations/unknown"]),
        ("operations", "failed-messages", ["", "queue=seats-hold", "kind=Error", "kind=Dead",
            "messageType=unknown", "exception=System.TimeoutException", "exception=unknown",
            "status=Requeued", "status=Discarded"])
    ];

    private (string Name, double P99) _slowest;

    /// <returns>The tables, as text of the page.</returns>
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        // What the machine adds to every request.
        var nothing = await MeasureAsync("no rows", _ => ("orchestrator", "reservations?userId=unknown"), cancellationToken);
        _slowest = default;
        var reservations = await ReservationsAsync(cancellationToken);
        var others = await OthersAsync(cancellationToken);
        return string.Create(CultureInfo.InvariantCulture, $"""
            {plan.Requests} requests of each, one after the other, 50 rows per page; a deep page begins anywhere in the list.
            CPU: milliseconds of processor time of all processes and servers for each request, whatever else the machine does.
            A list without rows: p50 {nothing[0]} ms, p99 {nothing[1]} ms, CPU {nothing[2]} ms.

            {reservations}
            {plan.Rows / 10:#,0} deliveries, {plan.Rows / 20:#,0} actions in each of three databases, {plan.Rows / 100:#,0} failed messages;
            {Limit} rows on each of the following pages.

            {others}
            Slowest p99 of a list: {_slowest.P99:0} ms, {_slowest.Name} (limit: 200). The overview counts, every other second at most.
            """);
    }

    private async Task<Table> ReservationsAsync(CancellationToken cancellationToken)
    {
        var cursors = await PositionsAsync(client, cancellationToken);
        var reservations = new Table(
            "reservations by", "newest: p50 ms", "p99", "CPU", "oldest: p50", "p99", "CPU", "deep page: p50", "p99", "CPU");
        foreach (var (name, filter) in Filters(plan))
        {
            var newest = await MeasureAsync(name, filter);
            var oldest = await MeasureAsync(name, number => $"{filter(number)}&sort=oldest");
            var deep = await MeasureAsync(name, number => $"{filter(number)}&cursor={cursors[number % cursors.Count]}");
            reservations.Add([name, .. newest, .. oldest, .. deep]);
        }
        return reservations;

        Task<string[]> MeasureAsync(string name, Func<int, string> query) =>
            this.MeasureAsync(name, number => ("orchestrator", $"reservations?{query(number)}"), cancellationToken);
    }

    private async Task<Table> OthersAsync(CancellationToken cancellationToken)
    {
        var others = new Table("list", "p50 ms", "p99", "CPU", "following pages: p50", "p99", "CPU");
        foreach (var (service, path, filters) in Others)
        {
            foreach (var filter in filters)
            {
                var first = await MeasureAsync($"{path}?{filter}", _ => (service, $"{path}?{filter}"), cancellationToken);
                others.Add([$"{path}, {(filter.Length == 0 ? "all" : filter)}", .. first,
                    .. await FollowAsync(service, path, filter, cancellationToken)]);
            }
        }
        others.Add(["failed-messages/groups",
            .. await MeasureAsync("groups", _ => ("operations", "failed-messages/groups"), cancellationToken), .. None]);
        others.Add(["overview", .. await OverviewsAsync(cancellationToken), .. None]);
        return others;
    }

    private async Task<string[]> MeasureAsync(
        string name, Func<int, (string Service, string Path)> request, CancellationToken cancellationToken)
    {
        var times = new List<double>();
        var cpu = 0.0;
        for (var number = -Warm; number < plan.Requests; number++)
        {
            if (number == 0)
                cpu = Cpu();
            var (service, path) = request(number + Warm);
            var (_, milliseconds) = await client.GetAsync(service, $"/ops/api/{path}", cancellationToken);
            if (number >= 0)
                times.Add(milliseconds);
        }
        return Cells(name, times, cpu);
    }

    private async Task<string[]> FollowAsync(string service, string path, string filter, CancellationToken cancellationToken)
    {
        var times = new List<double>();
        var cpu = Cpu();
        string? cursor = null;
        do
        {
            var (page, milliseconds) = await client.GetAsync(service,
                $"/ops/api/{path}?{filter}&limit={Limit}{(cursor is null ? "" : $"&cursor={cursor}")}", cancellationToken);
            if (cursor is not null)
                times.Add(milliseconds);
            cursor = CursorOf(page);
        }
        while (cursor is not null && times.Count < plan.Requests);
        return Cells($"{path}?{filter}, following pages", times, cpu);
    }

    private async Task<string[]> OverviewsAsync(CancellationToken cancellationToken)
    {
        var times = new List<double>();
        var cpu = Cpu();
        for (var number = 0; number < Overviews; number++)
        {
            times.Add((await client.GetAsync("operations", "/ops/api/overview", cancellationToken)).Milliseconds);
            await Task.Delay(OverviewPause, cancellationToken);
        }
        return Cells(null, times, cpu);
    }

    private double Cpu() => cluster.CpuTimes().Values.Where(double.IsFinite).Sum();

    // The name of a list, which the limit is for.
    private string[] Cells(string? list, List<double> times, double cpu)
    {
        cpu = (Cpu() - cpu) / times.Count;
        double[] sorted = [.. times.Order()];
        var p99 = Samples.Percentile(sorted, 0.99);
        if (list is not null && p99 > _slowest.P99)
            _slowest = (list, p99);
        return sorted.Length == 0 ? None : [Text(Samples.Percentile(sorted, 0.5)), Text(p99), Text(cpu)];
    }

    private static IEnumerable<(string Name, Func<int, string> Filter)> Filters(OperationsPlan plan)
    {
        var now = TimeProvider.System.GetUtcNow();
        string Schedule(int number) => $"scheduleId={ReservationRows.FirstSchedule + 1 + number * 37 % (ReservationRows.Schedules - 1)}";
        string Concert(int number) => $"concertId={ReservationRows.FirstConcert + number % ReservationRows.Concerts}";
        string State(int number) => $"state={States[number % States.Length]}";
        string Code(int number) => $"failureCode={Codes[number % Codes.Length]}";
        string Seat(int number) => string.Create(CultureInfo.InvariantCulture, $"seat={1 + number * 13 % 1000}");
        string Since(int number) => $"createdFrom={now.AddDays(-number % 400 - 2):yyyy-MM-dd}T00:00:00Z";
        string Day(int number) => $"{Since(number)}&createdTo={now.AddDays(-number % 400 - 1):yyyy-MM-dd}T00:00:00Z";
        string User(int number) => string.Create(CultureInfo.InvariantCulture, $"userId=customer-{number * 7 % (plan.Rows / 50)}");
        var largest = $"scheduleId={ReservationRows.FirstSchedule}";
        return
        [
            ("nothing", _ => ""),
            ("state, each in turn", State),
            ("status, each in turn", number => $"status={Statuses[number % Statuses.Length]}"),
            ("userId", User),
            ("userId, state", number => $"{User(number)}&{State(number)}"),
            ("concertId", Concert),
            ("concertId, state", number => $"{Concert(number)}&{State(number)}"),
            ("concertId, failureCode", number => $"{Concert(number)}&{Code(number)}"),
            ("concertId, a day", number => $"{Concert(number)}&{Day(number)}"),
            ("scheduleId", Schedule),
            ("scheduleId, seat", number => $"{Schedule(number)}&{Seat(number)}"),
            ("scheduleId, state", number => $"{Schedule(number)}&{State(number)}"),
            ("largest schedule", _ => largest),
            ("largest schedule, seat", number => $"{largest}&{Seat(number)}"),
            ("largest schedule, state", number => $"{largest}&{State(number)}"),
            ("largest schedule, failureCode", number => $"{largest}&{Code(number)}"),
            ("failureCode, each in turn", Code),
            ("failureCode, state", number => $"{Code(number)}&{State(number / Codes.Length)}"),
            ("failureCode, a day", number => $"{Code(number)}&{Day(number)}"),
            ("stuck=true", _ => "stuck=true"),
            ("stuck=true, concertId", number => $"stuck=true&{Concert(number)}"),
            ("stuck=false", _ => "stuck=false"),
            ("retrying=true", _ => "retrying=true"),
            ("retrying=true, scheduleId", number => $"retrying=true&{Schedule(number)}"),
            ("retrying=false, state", number => $"retrying=false&{State(number)}"),
            ("createdFrom", Since),
            ("a day", Day),
            ("a day, state", number => $"{Day(number)}&{State(number)}")
        ];
    }

    // Cursors from the whole list of reservations.
    private static async Task<List<string>> PositionsAsync(OperatorClient client, CancellationToken cancellationToken)
    {
        var cursors = new List<string>();
        for (var position = 0; position < Positions; position++)
        {
            var (page, _) = await client.GetAsync("orchestrator",
                $"/ops/api/reservations?limit=1&createdTo={TimeProvider.System.GetUtcNow().AddDays(-position * 20):yyyy-MM-dd}T00:00:00Z",
                cancellationToken);
            cursors.Add(CursorOf(page) ?? throw new BenchmarkException("the list of reservations ends too early."));
        }
        return cursors;
    }

    private static string? CursorOf(JsonElement page) =>
        page.GetProperty("nextCursor").GetString() is { } cursor ? Uri.EscapeDataString(cursor) : null;

    private static string Text(double milliseconds) => milliseconds.ToString("0.0", CultureInfo.InvariantCulture);
}
