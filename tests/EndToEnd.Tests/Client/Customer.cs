using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using ConcertSaga.EndToEnd.Tests.Systems;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests.Client;

/// <summary>
/// A signed-in customer. It gets a pass from the waiting room when a route requires one, and a new one when the pass is used up.
/// </summary>
public sealed partial class Customer
{
    private static readonly HttpClient Http =
        new(new SocketsHttpHandler
        {
            ConnectTimeout = TimeSpan.FromSeconds(10),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(5),
            // By default, a client that gets no answer within a second sends the body, and a closed connection then hides the refusal.
            Expect100ContinueTimeout = TimeSpan.FromSeconds(30)
        })
        {
            Timeout = TimeSpan.FromSeconds(60)
        };

    private const string QueueToken = "X-Queue-Token";

    private static readonly TimeSpan WaitingRoomLimit = TimeSpan.FromSeconds(60);

    private readonly Uri _address;
    private readonly string _token;
    private readonly ConcurrentDictionary<int, string> _passes = new();
    private readonly ConcurrentDictionary<Guid, int> _concerts = new();
    private readonly ConcurrentQueue<string> _failures = new();

    private Customer(Uri address, string userId, string token)
    {
        _address = address;
        UserId = userId;
        _token = token;
    }

    /// <summary>The user id.</summary>
    public string UserId { get; }

    /// <summary>What no customer causes: answers with a status from 500 and errors of the connection, also of repeated requests.</summary>
    public IReadOnlyCollection<string> Failures => _failures;

    /// <summary>Signs in a new customer.</summary>
    public static Task<Customer> SignInAsync(ISystem system, long points = 0, params string[] roles) =>
        SignInAsync(system.Address, points, roles);

    /// <summary>Signs in a new customer at a gateway.</summary>
    public static async Task<Customer> SignInAsync(Uri address, long points = 0, params string[] roles)
    {
        var userId = $"u-{Guid.CreateVersion7():n}";
        var answer = await SendAsync(address, HttpMethod.Post, "/auth/demo", new { userId, roles }, null);
        Assert.True(answer.Status == 200, answer.ToString());
        var customer = new Customer(address, userId, answer.Text("accessToken")!);
        for (var (key, watch) = (Guid.CreateVersion7(), Stopwatch.StartNew()); points > 0; await Task.Delay(100))
        {
            answer = await customer.ChargeAsync(points, key);
            // A system that has just started may ask for a repetition.
            if (answer.Status == 201)
                break;
            Assert.True(answer.Status == 503 && watch.Elapsed < WaitingRoomLimit, answer.ToString());
        }
        return customer;
    }

    /// <summary>Signs in many customers.</summary>
    public static async Task<Customer[]> SignInAsync(ISystem system, int count, long points)
    {
        var crowd = new Customer[count];
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 32 },
            async (index, _) => crowd[index] = await SignInAsync(system, points));
        return crowd;
    }

    /// <summary><c>POST /api/points/charges</c>.</summary>
    public Task<Answer> ChargeAsync(long amount, Guid? key = null) =>
        SendAsync(HttpMethod.Post, "/api/points/charges", new { amount }, key ?? Guid.CreateVersion7());

    /// <summary><c>POST /api/reservations</c>.</summary>
    public async Task<Answer> ReserveAsync(SeatSelection seats, bool pay = false, Guid? key = null, string? prefer = null)
    {
        var answer = await SendAsync(
            HttpMethod.Post, "/api/reservations", new { scheduleId = seats.ScheduleId, seatNumbers = seats.Numbers, pay }, key
                ?? Guid.CreateVersion7(), prefer);
        if (answer.Body.ValueKind == JsonValueKind.Object && answer.Body.TryGetProperty("reservationId", out var id))
            _concerts[id.GetGuid()] = SeatSelection.ConcertOf(seats.ScheduleId);
        return answer;
    }

    /// <summary><c>POST /api/reservations/{id}/payment</c>.</summary>
    public Task<Answer> PayAsync(Guid id, string? prefer = null) =>
        SendAsync(HttpMethod.Post, $"/api/reservations/{id}/payment", null, null, prefer);

    /// <summary><c>DELETE /api/reservations/{id}</c>.</summary>
    public Task<Answer> CancelAsync(Guid id, string? prefer = null) =>
        SendAsync(HttpMethod.Delete, $"/api/reservations/{id}", null, null, prefer);

    /// <summary>Any <c>GET</c>.</summary>
    public Task<Answer> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    /// <summary><c>GET /api/reservations/{id}</c>.</summary>
    public Task<Answer> GetAsync(Guid id) => GetAsync($"/api/reservations/{id}");

    /// <summary><c>GET /api/points</c>.</summary>
    public async Task<long> BalanceAsync() => (await GetAsync("/api/points")).Number("balance");

    /// <summary>Waits until a reservation has one of these statuses.</summary>
    /// <param name="id">The reservation.</param>
    /// <param name="limit">How long to wait.</param>
    /// <param name="statuses">The accepted statuses.</param>
    /// <param name="pause">The pause between two polls. A crowd follows <c>Retry-After</c>, because its polls would be the load.</param>
    public async Task<Answer> WaitForAsync(Guid id, TimeSpan limit, HashSet<string> statuses, TimeSpan? pause = null)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var answer = await GetAsync(id);
            if (answer.Status == 200 && statuses.Contains(answer.ReservationStatus!))
                return answer;
            if (watch.Elapsed > limit)
                throw new TimeoutException($"Not {string.Join(" or ", statuses)} within {limit.TotalSeconds:0.#} s: {answer}");
            await Task.Delay(pause ?? TimeSpan.FromMilliseconds(50));
        }
    }

    /// <summary><c>POST /api/queue/tokens</c>.</summary>
    public Task<Answer> EnterAsync(int concertId) => SendWithAsync(null, HttpMethod.Post, "/api/queue/tokens", new { concertId });

    /// <summary><c>GET /api/queue/tokens/current</c>.</summary>
    public Task<Answer> PollAsync(string token) => SendWithAsync(token, HttpMethod.Get, "/api/queue/tokens/current");

    /// <summary><c>DELETE /api/queue/tokens/current</c>.</summary>
    public Task<Answer> LeaveAsync(string token) => SendWithAsync(token, HttpMethod.Delete, "/api/queue/tokens/current");

    /// <summary>Sends a request with the given queue token, or without one.</summary>
    public Task<Answer> SendWithAsync(string? token, HttpMethod method, string path, object? body = null) =>
        SendOnceAsync(method, path, body, Guid.CreateVersion7(), "wait=10", token is null ? [] : [(QueueToken, token)]);

    /// <summary>Opens an event stream as a browser does, with both tokens in the address. Ends with the stream.</summary>
    public async IAsyncEnumerable<(string Name, JsonElement Data)> FollowAsync(
        string path, string token, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var address = new Uri(_address, $"{path}?access_token={_token}&queue_token={token}");
        using var response = await Http.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        Assert.True((int)response.StatusCode == 200, $"{(int)response.StatusCode} {path}");
        await foreach (var item in SseParser.Create(await response.Content.ReadAsStreamAsync(cancellationToken))
            .EnumerateAsync(cancellationToken))
            yield return (item.EventType, JsonDocument.Parse(item.Data).RootElement);
    }

    /// <summary>Waits for a pass of a concert, and keeps it until it is used up.</summary>
    public async Task<string> PassAsync(int concertId)
    {
        if (_passes.TryGetValue(concertId, out var pass))
            return pass;
        var watch = Stopwatch.StartNew();
        var answer = await EnterAsync(concertId);
        while (answer.Status == 503 || (answer.Status is 200 or 201 && answer.Text("status") != "Active"))
        {
            if (watch.Elapsed > WaitingRoomLimit)
                throw new TimeoutException($"Not admitted within {WaitingRoomLimit.TotalSeconds} s: {answer}");
            await Task.Delay(100);
            // Without state, as after a restart, the gateway can check no token.
            answer = answer.Status == 503 ? await EnterAsync(concertId) : await PollAsync(answer.Text("token")!);
        }
        // A client retries after this exception, as after any request without a response.
        return answer.Status is 200 or 201 ? _passes[concertId] = answer.Text("token")!
            : throw new HttpRequestException($"No pass for concert {concertId}: {answer}", null, (System.Net.HttpStatusCode)answer.Status);
    }

    /// <summary>Sends a request of this customer, with a pass if the route requires one.</summary>
    public async Task<Answer> SendAsync(HttpMethod method, string path, object? body = null, Guid? key = null, string? prefer = null,
        params (string Name, string Value)[] headers)
    {
        if (ConcertOf(method, path, body) is not { } concertId)
            return await SendOnceAsync(method, path, body, key, prefer, headers);
        for (var watch = Stopwatch.StartNew(); ;)
        {
            var pass = await PassAsync(concertId);
            var answer = await SendOnceAsync(method, path, body, key, prefer, [.. headers, (QueueToken, pass)]);
            if (answer.Code is not ("QUEUE_TOKEN_REVOKED" or "QUEUE_TOKEN_EXPIRED") || watch.Elapsed > WaitingRoomLimit)
                return answer;
            _passes.TryRemove(new KeyValuePair<int, string>(concertId, pass));
            // The waiting room may not know of the purchase yet and return the same pass.
            await Task.Delay(100);
        }
    }

    private int? ConcertOf(HttpMethod method, string path, object? body)
    {
        static int Number(Group group) => int.Parse(group.Value, CultureInfo.InvariantCulture);
        if (method == HttpMethod.Post && path == "/api/reservations")
            return JsonSerializer.SerializeToElement(body).TryGetProperty("scheduleId", out var schedule)
                ? SeatSelection.ConcertOf(schedule.GetInt32()) : 1;
        if (method == HttpMethod.Post && PaymentPath().Match(path) is { Success: true } payment)
            return _concerts.GetValueOrDefault(Guid.Parse(payment.Groups[1].Value), 1);
        if (ConcertPath().Match(path) is { Success: true } concert)
            return Number(concert.Groups[1]);
        return SchedulePath().Match(path) is { Success: true } seats ? SeatSelection.ConcertOf(Number(seats.Groups[1])) : null;
    }

    private async Task<Answer> SendOnceAsync(HttpMethod method, string path, object? body, Guid? key, string? prefer,
        (string Name, string Value)[] headers)
    {
        try
        {
            var answer = await SendAsync(_address, method, path, body, request =>
            {
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
                if (key is { } given)
                    request.Headers.Add("Idempotency-Key", given.ToString());
                if (prefer is not null)
                    request.Headers.Add("Prefer", prefer);
                foreach (var (name, value) in headers)
                    request.Headers.TryAddWithoutValidation(name, value);
            });
            if (answer.Status >= 500)
                _failures.Enqueue($"{answer.Status} {answer.Code} {method} {path}");
            return answer;
        }
        catch (Exception exception)
        {
            _failures.Enqueue($"{exception.Message} {method} {path}");
            throw;
        }
    }

    /// <summary>Sends an anonymous request.</summary>
    public static async Task<Answer> SendAsync(Uri address, HttpMethod method, string path, object? body,
        Action<HttpRequestMessage>? configure)
    {
        using var request = new HttpRequestMessage(method,
            new Uri(address.GetLeftPart(UriPartial.Authority) + path,
            new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        // With its length, so that the gateway can refuse a long body unread.
        if (body is not null)
            request.Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, JsonSerializerOptions.Web))
            {
                Headers = { ContentType = new MediaTypeHeaderValue("application/json", "utf-8") }
            };
        configure?.Invoke(request);
        using var response = await Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        var isJson = response.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) == true && text.Length > 0;
        return new Answer((int)response.StatusCode, isJson ? JsonDocument.Parse(text).RootElement : default, response.Headers);
    }

    [GeneratedRegex("^/api/reservations/([0-9a-f-]{36})/payment$")]
    private static partial Regex PaymentPath();

    [GeneratedRegex("^/api/concerts/([0-9]+)/schedules")]
    private static partial Regex ConcertPath();

    [GeneratedRegex("^/api/schedules/([0-9]+)/seats")]
    private static partial Regex SchedulePath();
}
