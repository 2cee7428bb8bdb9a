using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Queue.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class RoomSamples : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // The routes of operators have this name now.
            migrationBuilder.Sql("UPDATE \"OperatorActions\" SET \"Target\" = replace(\"Target\", 'queue/concerts/', 'waiting-rooms/')");

            migrationBuilder.CreateTable(
                name: "QueueSamples",
                columns: table => new
                {
                    ConcertId = table.Column<int>(type: "int", nullable: false),
                    At = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false),
                    Issued = table.Column<long>(type: "bigint", nullable: false),
                    Serving = table.Column<long>(type: "bigint", nullable: false),
                    SlotsTaken = table.Column<int>(type: "int", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_QueueSamples", x => new { x.ConcertId, x.At });
                });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "QueueSamples");
        }
    }
}
