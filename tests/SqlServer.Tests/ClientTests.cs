using Microsoft.Data.SqlClient;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

public sealed class ClientTests
{
    /// <summary>
    /// In a process built without cultures, the client throws <see cref="NotSupportedException"/> before it tries to connect.
    /// </summary>
    [Fact]
    public async Task Client_AsProcessesAreBuilt_TriesToConnect()
    {
        await using var connection = new SqlConnection("Server=tcp:127.0.0.1,1;Connect Timeout=2;ConnectRetryCount=0");
        await Assert.ThrowsAsync<SqlException>(() => connection.OpenAsync());
    }
}
