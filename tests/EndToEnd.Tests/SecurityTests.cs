using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Internal routes stay unreachable, whatever path and headers a caller sends.</summary>
[Trait("Part", "Sale")]
public sealed class SecurityTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    public static TheoryData<SystemKind, string> InternalPaths()
    {
        string[] paths =
        [
            "/internal/orchestrator", "/Internal/Orchestrator", "//internal/orchestrator", "/./internal/orchestrator",
                "/%69nternal/orchestrator",
            "/internal%2Forchestrator", "/api/../internal/orchestrator", "/api/concerts/../../internal/orchestrator",
                "/api/concerts/..%2f..%2finternal/orchestrator",
            "/api/concerts/%2e%2e/%2e%2e/internal/orchestrator", "/api/reservations/..;/internal/orchestrator", "/api/concerts%00/internal",
                "/metrics", "/openapi/v1.json"
        ];
        var data = new TheoryData<SystemKind, string>();
        foreach (var kind in Enum.GetValues<SystemKind>())
        {
            foreach (var path in paths)
                data.Add(kind, path);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(InternalPaths))]
    public async Task PublicPort_InternalPath_IsNotFound(SystemKind kind, string path)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system);
        (string, string)[][] disguises =
        [
            [], [("Host", "orchestrator:8080")], [("Host", "127.0.0.1")],
                [("X-Forwarded-Host", "orchestrator"), ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "http")],
            [("X-Gateway-Secret", "0123456789abcdef0123456789abcdef")], [("X-Original-URL", path), ("X-Rewrite-URL", path)],
                [("Forwarded", "for=127.0.0.1;host=orchestrator")]
        ];
        foreach (var disguise in disguises)
        {
            var answer = await customer.SendAsync(HttpMethod.Get, path, headers: disguise);
            Assert.True(answer.Status is 404 or 400, $"{path} with {string.Join(", ", disguise)}: {answer}");
        }
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task PublicPort_CallerHeaderOfAnother_HasNoEffect(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var owner = await Customer.SignInAsync(system, points: 5000);
        var reserved = await owner.ReserveAsync(system.Seats.Take(1));
        var thief = await Customer.SignInAsync(system);
        (string, string)[] headers =
            [("X-User-Id", owner.UserId), ("x-user-id", owner.UserId), ("X-User-Roles", "ops"),
                ("X-Queue-Token-Id", Guid.CreateVersion7().ToString()), ("X-Queue-Concert-Id", "2")];

        var points = await thief.SendAsync(HttpMethod.Get, "/api/points", headers: headers);
        Assert.Equal((thief.UserId, 0), (points.Text("userId"), points.Number("balance")));
        var other = await thief.SendAsync(HttpMethod.Get, $"/api/reservations/{reserved.ReservationId}", headers: headers);
        Assert.Equal((404, "RESERVATION_NOT_FOUND"), (other.Status, other.Code));
        var cancelled = await thief.SendAsync(HttpMethod.Delete, $"/api/reservations/{reserved.ReservationId}", headers: headers);
        Assert.Equal(404, cancelled.Status);

        var anonymous = await Customer.SendAsync(system.Address, HttpMethod.Get, "/api/points", null,
            request => request.Headers.Add("X-User-Id", owner.UserId));
        Assert.Equal((401, "UNAUTHENTICATED"), (anonymous.Status, anonymous.Code));
        Assert.Contains(anonymous.Headers.WwwAuthenticate, header => header.Scheme == "Bearer");
    }

    [Theory]
    [InlineData("Orchestrator", "/api/reservations")]
    [InlineData("Orchestrator", "/internal/orchestrator")]
    [InlineData("Services/Seats", "/api/concerts")]
    [InlineData("Services/Points", "/api/points")]
    [InlineData("Services/Payments", "/metrics")]
    public async Task Service_CalledWithoutTheSecret_IsNotFound(string part, string path)
    {
        var system = (ClusterSystem)await systems.GetAsync(SystemKind.Cluster, database, broker);
        foreach (var secret in new[] { null, "", "wrong", "0123456789abcdef0123456789abcdef" })
        {
            var answer = await Customer.SendAsync(system.AddressOf(part), HttpMethod.Get, path, null, request =>
            {
                request.Headers.Add("X-User-Id", "mina");
                if (secret is not null)
                    request.Headers.TryAddWithoutValidation("X-Gateway-Secret", secret);
            });
            Assert.Equal(404, answer.Status);
        }
        Assert.Equal(200, (await Customer.SendAsync(system.AddressOf(part), HttpMethod.Get, "/health/live", null, null)).Status);
        Assert.Equal(200, (await Customer.SendAsync(system.AddressOf(part), HttpMethod.Get, "/health/ready", null, null)).Status);
    }
}
