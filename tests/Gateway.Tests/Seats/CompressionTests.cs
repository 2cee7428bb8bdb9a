using System.IO.Compression;
using System.Text;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;

namespace ConcertSaga.Gateway.Tests.Seats;

/// <summary>Requests large seat maps, with and without compression.</summary>
public sealed class CompressionTests : IClassFixture<GatewayFixture>
{
    private const string Path = "/api/schedules/1/seats";

    private readonly GatewayHost _gateway;
    private readonly UpstreamStub _upstream;
    private byte[] _map = Map(1000);

    public CompressionTests(GatewayFixture fixture)
    {
        _gateway = fixture.Gateway;
        _upstream = fixture.Upstream;
        _upstream.Reset();
        _upstream.Answer = async context =>
        {
            context.Response.ContentType = "application/json; charset=utf-8";
            context.Response.Headers.ETag = "\"7\"";
            await context.Response.Body.WriteAsync(_map);
        };
    }

    [Theory]
    [InlineData("br", "br")]
    [InlineData("gzip", "gzip")]
    [InlineData("gzip, deflate, br, zstd", "br")]
    [InlineData("GZIP;q=1.0, br;q=0.2", "gzip")]
    [InlineData("*", "br")]
    [InlineData("br;q=0, *", "gzip")]
    [InlineData("identity", null)]
    [InlineData("identity;q=1, br;q=0.5", null)]
    [InlineData("br;q=0", null)]
    [InlineData("deflate", null)]
    [InlineData("brotli", null)]
    [InlineData("br;q=nonsense", null)]
    [InlineData("", null)]
    public async Task Map_WithAcceptEncoding_HasThePreferredEncoding(string accepted, string? encoding)
    {
        using var response = await SendAsync("GET", ("Accept-Encoding", accepted));

        Assert.Equal((200, encoding), ((int)response.StatusCode, response.Content.Headers.ContentEncoding.SingleOrDefault()));
        Assert.Contains("Accept-Encoding", response.Headers.Vary);
        Assert.Equal((encoding is null ? "\"7\"" : "W/\"7\"", "application/json"),
            (response.Headers.ETag?.ToString(), response.Content.Headers.ContentType?.MediaType));
        Assert.Equal(_map, await DecodeAsync(response));
    }

    [Theory]
    [InlineData("\"7\"", 304)]
    [InlineData("W/\"7\"", 304)]
    [InlineData("*", 304)]
    [InlineData("\"6\", W/\"7\"", 304)]
    [InlineData("\"8\"", 200)]
    [InlineData("7", 200)]
    [InlineData("\"07\"", 200)]
    [InlineData("nonsense, \"", 200)]
    public async Task Map_Unchanged_Is304InAnyEncoding(string known, int status)
    {
        using var plain = await SendAsync("GET", ("If-None-Match", known));
        using var encoded = await SendAsync("GET", ("If-None-Match", known), ("Accept-Encoding", "br"));

        Assert.Equal([status, status], new[] { plain, encoded }.Select(response => (int)response.StatusCode));
        Assert.Equal(["\"7\"", "W/\"7\""], new[] { plain, encoded }.Select(response => response.Headers.ETag?.ToString()));
    }

    [Fact]
    public async Task Map_OfManySeats_IsSentCompletely()
    {
        _map = Map(400_000);
        Assert.True(_map.Length > 16 * 1024 * 1024);

        using var plain = await SendAsync("GET");
        Assert.Equal(_map, await plain.Content.ReadAsByteArrayAsync());
        using var encoded = await SendAsync("GET", ("Accept-Encoding", "br"));
        Assert.Equal(_map, await DecodeAsync(encoded));
        using var head = await SendAsync("HEAD");
        Assert.Equal((200, _map.LongLength), ((int)head.StatusCode, head.Content.Headers.ContentLength));

        await using var stream =
            await EventReader.OpenAsync(_gateway.SendAsync("GET", $"{Path}/events", Tokens.For($"mina-{Guid.CreateVersion7()}")));
        var snapshot = await stream.NextAsync();
        Assert.Equal(("snapshot", "7", _map.Length), (snapshot?.Name, snapshot?.Id, snapshot?.Data.Length));
    }

    [Fact]
    public async Task Answer_EncodedTwice_IsCompressedOnce()
    {
        var answer = new SeatMapAnswer(200, "application/json", _map, null);

        Assert.Same(await answer.EncodeAsync("br"), await answer.EncodeAsync("br"));
    }

    [Fact]
    public async Task EventStream_WithAcceptEncoding_IsNotCompressed()
    {
        using var response = await _gateway.SendAsync("GET", $"{Path}/events", Tokens.For($"mina-{Guid.CreateVersion7()}"), null,
            ("Accept-Encoding", "br, gzip"));

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Empty(response.Content.Headers.ContentEncoding);
    }

    [Theory]
    [InlineData("/api/reservations")]
    [InlineData("/api/points")]
    [InlineData("/api/queue/tokens/current")]
    public async Task Answer_WithPersonalData_IsNotCompressed(string path)
    {
        _upstream.Answer = context => context.Response.WriteAsync(new string('x', 10_000));

        using var response = await _gateway.SendAsync("GET", path, Tokens.For("mina"), null, ("Accept-Encoding", "br, gzip"));

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Empty(response.Content.Headers.ContentEncoding);
    }

    private static byte[] Map(int seats)
    {
        var json = new StringBuilder("""{"scheduleId":1,"version":7,"seats":[""");
        for (var number = 1; number <= seats; number++)
            json.Append(number > 1 ? "," : "").Append(null, $$"""{"number":{{number}},"price":100000,"status":"Available"}""");
        return Encoding.UTF8.GetBytes(json.Append("]}").ToString());
    }

    private static async Task<byte[]> DecodeAsync(HttpResponseMessage response)
    {
        await using var body = await response.Content.ReadAsStreamAsync();
        await using Stream decoded = response.Content.Headers.ContentEncoding.SingleOrDefault() switch
        {
            "br" => new BrotliStream(body, CompressionMode.Decompress),
            "gzip" => new GZipStream(body, CompressionMode.Decompress),
            _ => body
        };
        using var whole = new MemoryStream();
        await decoded.CopyToAsync(whole);
        return whole.ToArray();
    }

    private Task<HttpResponseMessage> SendAsync(string method, params (string, string)[] headers) =>
        _gateway.SendAsync(method, Path, Tokens.For("mina"), null, headers);
}
