using System.Text.Json;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Checks the status of a call and shows its body if the status differs.</summary>
internal static class Expect
{
    public static async Task StatusAsync(int expected, Task<(int Status, JsonElement Body)> call)
    {
        var (status, body) = await call;
        Assert.True(status == expected,
            $"{status} instead of {expected}: {(body.ValueKind == JsonValueKind.Undefined ? "" : body)}");
    }
}
