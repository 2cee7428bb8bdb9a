using Microsoft.Data.SqlClient;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

public sealed class ClientTests
{
    /// <summary>The client throws <see cref="NotSupportedException"/> before it tries to connect where the process is built without cultures.</summary>
    [Fact]
    public async Task Client_AsProcessesAreBuilt_TriesToConnect()
    {
        await using var connection = new SqlConnection("Server=tcp:127.0.0.1,1;Connect Timeout=2;ConnectRetryCount=0");
        await Assert.ThrowsAsync<SqlException>(() => connection.OpenAsync());
    }
}
