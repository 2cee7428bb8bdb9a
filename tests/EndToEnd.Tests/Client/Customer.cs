using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.EndToEnd.Tests.Systems;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests.Client;

/// <summary>One signed-in person.</summary>
public sealed class Customer
{
    private static readonly HttpClient Http = new(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(10), PooledConnectionIdleTimeout = TimeSpan.FromSeconds(5) })
    {
        Timeout = TimeSpan.FromSeconds(60)
    };

    private readonly Uri _address;
    private readonly string _token;

    private Customer(Uri address, string userId, string token) => (_address, UserId, _token) = (address, userId, token);

    /// <summary>Who it is.</summary>
    public string UserId { get; }

    /// <summary>Signs a new person in.</summary>
    public static async Task<Customer> SignInAsync(ISystem system, long points = 0)
    {
        var userId = $"u-{Guid.CreateVersion7():n}";
        var answer = await SendAsync(system.Address, HttpMethod.Post, "/auth/demo", new { userId }, null);
        Assert.True(answer.Status == 200, answer.ToString());
        var customer = new Customer(system.Address, userId, answer.Text("accessToken")!);
        if (points > 0)
            Assert.Equal(201, (await customer.ChargeAsync(points)).Status);
        return customer;
    }

    /// <summary>Signs a crowd in.</summary>
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
    public Task<Answer> ReserveAsync(SeatsOfDate seats, bool pay = false, Guid? key = null, string? prefer = null) =>
        SendAsync(HttpMethod.Post, "/api/reservations", new { scheduleId = seats.ScheduleId, seatNumbers = seats.Numbers, pay }, key ?? Guid.CreateVersion7(), prefer);

    /// <summary><c>POST /api/reservations/{id}/payment</c>.</summary>
    public Task<Answer> PayAsync(Guid id, string? prefer = null) => SendAsync(HttpMethod.Post, $"/api/reservations/{id}/payment", null, null, prefer);

    /// <summary><c>DELETE /api/reservations/{id}</c>.</summary>
    public Task<Answer> CancelAsync(Guid id, string? prefer = null) => SendAsync(HttpMethod.Delete, $"/api/reservations/{id}", null, null, prefer);

    /// <summary>Any <c>GET</c>.</summary>
    public Task<Answer> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    /// <summary><c>GET /api/reservations/{id}</c>.</summary>
    public Task<Answer> GetAsync(Guid id) => GetAsync($"/api/reservations/{id}");

    /// <summary><c>GET /api/points</c>.</summary>
    public async Task<long> BalanceAsync() => (await GetAsync("/api/points")).Number("balance");

    /// <summary>Waits until a reservation has one of these statuses.</summary>
    /// <param name="id">The reservation.</param>
    /// <param name="limit">How long it may take.</param>
    /// <param name="statuses">What is waited for.</param>
    /// <param name="pause">Between two looks; a crowd waits as long as <c>Retry-After</c> says, or its looking is the load.</param>
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

    /// <summary>Any request of this person.</summary>
    public Task<Answer> SendAsync(HttpMethod method, string path, object? body = null, Guid? key = null, string? prefer = null, params (string Name, string Value)[] headers) =>
        SendAsync(_address, method, path, body, request =>
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _token);
            if (key is { } given)
                request.Headers.Add("Idempotency-Key", given.ToString());
            if (prefer is not null)
                request.Headers.Add("Prefer", prefer);
            foreach (var (name, value) in headers)
                request.Headers.TryAddWithoutValidation(name, value);
        });

    /// <summary>A request of nobody in particular.</summary>
    public static async Task<Answer> SendAsync(Uri address, HttpMethod method, string path, object? body, Action<HttpRequestMessage>? configure)
    {
        using var request = new HttpRequestMessage(method, new Uri(address.GetLeftPart(UriPartial.Authority) + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        if (body is not null)
            request.Content = JsonContent.Create(body);
        configure?.Invoke(request);
        using var response = await Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        var isJson = response.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) == true && text.Length > 0;
        return new Answer((int)response.StatusCode, isJson ? JsonDocument.Parse(text).RootElement : default, response.Headers);
    }
}
