using System.Net;
using System.Text;
using ConcertSaga.Testing.Fuzzing;

namespace ConcertSaga.AllInOne.Tests.Http;

/// <summary>Mutated bodies and addresses of every route are refused in the product's words, and are never a fault of a service.</summary>
public sealed class MutationTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Body_Mutated_IsNoFaultOfAService()
    {
        await using var services = new ServicesFixture();
        await services.InitializeAsync();
        Route[] routes = [.. services.Routes.Where(route => route.Body is not null)];
        var refused = 0;

        // The first byte of an input selects the route.
        var count = await Fuzzer.RunAsync(
            [.. routes.Select((route, index) => (byte[])[(byte)index, .. Encoding.UTF8.GetBytes(BodyTests.Valid(route))])], async input =>
            {
                var route = routes[input.FirstOrDefault() % routes.Length];
                var content = new ByteArrayContent([.. input.Skip(1)]);
                content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
                refused += Check(await services.SendAsync(route.Method, route.Address, content));
            });

        output.WriteLine($"{count} bodies for {routes.Length} routes, {refused} refusals");
    }

    [Fact]
    public async Task Address_Mutated_IsNoFaultOfAService()
    {
        await using var services = new ServicesFixture();
        await services.InitializeAsync();
        string[] addresses = [.. services.Routes.Where(route => !route.IsChange).Select(QueryTests.WithParameters)];
        var refused = 0;

        var count = await Fuzzer.RunAsync([.. addresses.Select(Encoding.UTF8.GetBytes)], async bytes =>
            refused += Check(await services.SendAsync("GET", Escape(bytes))));

        output.WriteLine($"{count} addresses of {addresses.Length} routes, {refused} refusals");
    }

    private static int Check(Reply reply)
    {
        var status = (int)reply.Status;
        Assert.True(status < 500 || reply.Status == HttpStatusCode.ServiceUnavailable, reply.ToString());
        if (status < 400)
            return 0;
        // The server refuses some request lines by itself, such as a long one or one with %00. At the gateway, they get a problem.
        if (status is 400 or 414 && reply.Text.Length == 0)
            return 1;
        // A page of the console.
        if (reply.MediaType?.StartsWith("text/html", StringComparison.Ordinal) == true)
            return 1;
        reply.IsProblem(status);
        return 1;
    }

    // An address of HTTP has visible ASCII only. A client sends all else percent-encoded.
    private static string Escape(byte[] address)
    {
        var text = new StringBuilder("/");
        foreach (var value in address.AsSpan().TrimStart((byte)'/'))
            text.Append(value is > 0x20 and < 0x7F and not (byte)'#' ? (char)value : $"%{value:X2}");
        return text.ToString();
    }
}
